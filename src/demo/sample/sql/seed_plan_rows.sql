INSERT INTO seed_plan
SELECT p.number,
       md5(format('%s/org/%s', $1::bigint, p.number))::uuid,
       'org_' || lpad(p.number::text, greatest(4, length(cardinality($2::int[])::text)), '0'),
       p.associations, p.invites, p.groups, p.members, p.containers, p.nodes, p.cookbooks
  FROM unnest($2::int[], $3::int[], $4::int[], $5::int[], $6::int[], $7::int[], $8::int[])
       WITH ORDINALITY AS p (associations, invites, groups, members, containers, nodes, cookbooks, number)
