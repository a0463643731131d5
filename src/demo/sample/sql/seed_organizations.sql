-- $1: seed
INSERT INTO organizations
SELECT p.id, p.name, initcap(replace(p.name, '_', ' ')) || ' Ltd',
       timestamptz '2019-01-01 00:00+00' + make_interval(hours => 7 * p.number),
       jsonb_build_object('plan', (ARRAY['free', 'team', 'enterprise'])[1 + p.number % 3],
                          'limits', jsonb_build_object('nodes', 10 * p.nodes + 25, 'seats', p.associations + 5),
                          'seed', $1::bigint)
  FROM seed_plan p
