SELECT coalesce(max(client), 0) FROM client_writes
