-- SPDX-License-Identifier: MIT
package body Ada_Shapes is
	overriding function Area (S : Square) return Float is
	begin
		if S.Side < 0.0 then
			raise Bad_Side with "negative";
		end if;
		return S.Side * S.Side;
	end Area;
	procedure Swap (A, B : in out Item) is
		C : constant Item := A;
	begin
		A := B;
		B := C;
	end Swap;
end Ada_Shapes;
