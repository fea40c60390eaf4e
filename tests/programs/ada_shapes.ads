-- SPDX-License-Identifier: MIT
package Ada_Shapes is
	type Shape is abstract tagged null record;
	function Area (S : Shape) return Float is abstract;
	type Square is new Shape with record Side : Float; end record;
	overriding function Area (S : Square) return Float;
	Bad_Side : exception;
	generic
		type Item is private;
	procedure Swap (A, B : in out Item);
end Ada_Shapes;
