CREATE TABLE item (name text PRIMARY KEY, price numeric NOT NULL CHECK (price > 0));
INSERT INTO item VALUES ('pen', 2), ('ink', 5);
