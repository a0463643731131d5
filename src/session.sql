-- Every session with a store or the move log begins with this.
-- Operators and functions are those of Postgres: whoever may create one somewhere must not have it run with our rights.
SET search_path = pg_catalog, pg_temp;
