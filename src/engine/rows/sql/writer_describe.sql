-- Transactions in a form that a person can recognize: virtual ids, each with its process.
SELECT coalesce(
    (
        SELECT format(
            'process %s of user %s (%s), %s for %s, last query: %s',
            a.pid, coalesce(a.usename, '?'), coalesce(nullif(a.application_name, ''), 'no application name'),
            coalesce(a.state, 'in an unknown state'),
            date_trunc('second', now() - coalesce(a.xact_start, a.backend_start)), left(a.query, 300)
        )
        FROM pg_stat_activity a WHERE a.pid = open.pid
    ),
    (
        SELECT format(
            'prepared transaction %L of user %s, %s old: COMMIT PREPARED or ROLLBACK PREPARED ends it',
            x.gid, x.owner, date_trunc('second', now() - x.prepared)
        )
        FROM pg_prepared_xacts x
        JOIN pg_locks l ON l.locktype = 'transactionid' AND l.transactionid = x.transaction AND l.virtualtransaction = open.transaction
    ),
    'transaction ' || open.transaction
) AS description
FROM unnest($1::text[], $2::integer[]) AS open (transaction, pid)
ORDER BY description
