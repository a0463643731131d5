SELECT split_part(pg_read_file('postmaster.pid'), E'\n', 1)
