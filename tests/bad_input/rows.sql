-- Four orgs, acme_1 to acme_4, with five items each.
INSERT INTO orgs SELECT n, 'acme_' || n FROM generate_series(1, 4) n;
INSERT INTO items (org_id, title, amount) SELECT 1 + n % 4, 'item ' || n, n FROM generate_series(1, 20) n;
