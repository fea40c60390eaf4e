-- SPDX-License-Identifier: MIT
-- What Ada has and C has not: tasks, generics, tagged types, exceptions.
with Ada.Text_IO;
with Ada.Exceptions;
with Ada_Shapes;
procedure Ada_Main is
	task Worker is
		entry Add (N : Integer);
		entry Total (N : out Integer);
	end Worker;
	task body Worker is
		Sum : Integer := 0;
	begin
		loop
			select
				accept Add (N : Integer) do
					Sum := Sum + N;
				end Add;
			or
				accept Total (N : out Integer) do
					N := Sum;
				end Total;
			or
				terminate;
			end select;
		end loop;
	end Worker;
	procedure Swap is new Ada_Shapes.Swap (Integer);
	S : Ada_Shapes.Square := (Side => 3.0);
	A : Integer := 1;
	B : Integer := 2;
begin
	Swap (A, B);
	Worker.Add (A * 10);
	Worker.Add (B);
	Worker.Total (A);
	Ada.Text_IO.Put_Line ("Ada" & Integer'Image (A) & Integer'Image (Integer (Ada_Shapes.Area (S))));
	S.Side := -1.0;
	Ada.Text_IO.Put_Line (Float'Image (Ada_Shapes.Area (S)));
exception
	when E : Ada_Shapes.Bad_Side =>
		Ada.Text_IO.Put_Line ("refused: " & Ada.Exceptions.Exception_Message (E));
end Ada_Main;
