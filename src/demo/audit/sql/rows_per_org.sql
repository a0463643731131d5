-- The rows of each org, table by table.
SELECT org_id,
       count(*) FILTER (WHERE t = 0), count(*) FILTER (WHERE t = 1), count(*) FILTER (WHERE t = 2),
       count(*) FILTER (WHERE t = 3), count(*) FILTER (WHERE t = 4), count(*) FILTER (WHERE t = 5),
       count(*) FILTER (WHERE t = 6), count(*) FILTER (WHERE t = 7), count(*) FILTER (WHERE t = 8),
       count(*) FILTER (WHERE t = 9)
  FROM (SELECT id AS org_id, 0 AS t FROM organizations
        UNION ALL SELECT org_id, 1 FROM org_user_associations
        UNION ALL SELECT org_id, 2 FROM org_user_invites
        UNION ALL SELECT org_id, 3 FROM global_groups
        UNION ALL SELECT org_id, 4 FROM groups
        UNION ALL SELECT g.org_id, 5 FROM group_members m JOIN groups g ON g.id = m.group_id
        UNION ALL SELECT org_id, 6 FROM containers
        UNION ALL SELECT org_id, 7 FROM nodes
        UNION ALL SELECT org_id, 8 FROM cookbooks
        UNION ALL SELECT org_id, 9 FROM client_writes) AS rows_of_orgs
 GROUP BY org_id
