/* SPDX-License-Identifier: MIT */
#include <sqlite3.h>
#include <stdio.h>

static int print(void *arg, int n, char **values, char **names)
{
	int i;

	(void)arg, (void)names;
	for (i = 0; i < n; i++)
		printf("%s%s", i ? "|" : "", values[i] ? values[i] : "NULL");
	printf("\n");
	return 0;
}

int main(void)
{
	static const char sql[] =
		"create table t(a integer, b text, c real);"
		"with recursive n(i) as (select 1 union all select i + 1 from n where i < 20)"
		" insert into t select i, printf('row %d', i % 4), i / 3.0 from n;"
		"create index i on t(b);"
		"select b, count(*), sum(a), round(avg(c), 3) from t group by b order by b desc;"
		"select upper(b), a from t where a between 7 and 9;";
	sqlite3 *db;
	char *error = NULL;

	if (sqlite3_open(":memory:", &db) != SQLITE_OK || sqlite3_exec(db, sql, print, NULL, &error) != SQLITE_OK) {
		printf("%s\n", error ? error : "no database");
		return 1;
	}
	sqlite3_close(db);
	return 0;
}
