-- Whether an earlier try, whose outcome nobody heard, was this very write.
SELECT EXISTS (SELECT FROM client_writes WHERE org_id = $1 AND client = $2 AND seq = $3 AND payload = $4)
