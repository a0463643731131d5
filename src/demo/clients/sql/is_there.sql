-- Whether an earlier try of this write, whose outcome is unknown, was committed.
SELECT EXISTS (SELECT FROM client_writes WHERE org_id = $1 AND client = $2 AND seq = $3 AND payload = $4)
