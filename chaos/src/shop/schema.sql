CREATE TABLE shops (id int PRIMARY KEY, name text NOT NULL UNIQUE);
CREATE TABLE accounts (
    shop int NOT NULL REFERENCES shops,
    number int NOT NULL,
    balance bigint NOT NULL,
    interest int NOT NULL DEFAULT 0,
    PRIMARY KEY (shop, number)
);
CREATE TABLE orders (
    id bigint PRIMARY KEY,
    shop int NOT NULL REFERENCES shops,
    owner int NOT NULL,
    touched int NOT NULL DEFAULT 0
);
CREATE INDEX ON orders (shop);
CREATE TABLE order_lines (
    id text PRIMARY KEY,
    order_id bigint NOT NULL REFERENCES orders ON UPDATE CASCADE ON DELETE CASCADE,
    touched int NOT NULL DEFAULT 0
);
CREATE INDEX ON order_lines (order_id);
CREATE TABLE line_notes (
    line_id text NOT NULL REFERENCES order_lines ON UPDATE CASCADE ON DELETE CASCADE,
    number int NOT NULL,
    text text NOT NULL,
    PRIMARY KEY (line_id, number)
);
-- It gets more columns and partitions while the trial runs.
CREATE TABLE writes (
    id bigint PRIMARY KEY,
    shop int NOT NULL REFERENCES shops,
    client int NOT NULL
) PARTITION BY RANGE (id);
CREATE TABLE writes_rest PARTITION OF writes DEFAULT;
CREATE INDEX ON writes (shop);
