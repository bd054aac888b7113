CREATE SCHEMA "Billing";
CREATE TABLE patients (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, gone int, name text NOT NULL, born date,
	initial text GENERATED ALWAYS AS (left(name, 1)) STORED
);
ALTER TABLE patients DROP COLUMN gone;
INSERT INTO patients (name, born) SELECT E'Pa\tient \\ "' || g || E'"\nof Québec', date '1930-01-01' + g * 37 FROM generate_series(1, 700) g;
INSERT INTO patients (name) VALUES ('NULL'), (E'\\N'), (E'\\.'), ('');

CREATE TABLE claims (id int PRIMARY KEY, patient bigint NOT NULL REFERENCES patients, amount numeric(10, 2), note text);
INSERT INTO claims SELECT g, g % 700 + 1, g * 1.01, md5(g::text) FROM generate_series(1, 4000) g;
CREATE INDEX ON claims (patient);

-- A few pages in the heap, and more behind them than one object of a vault holds.
CREATE TABLE scans (id int, image text);
INSERT INTO scans SELECT s, (SELECT string_agg(md5(s || ' ' || g), '') FROM generate_series(1, 32768) g) FROM generate_series(1, 14) s;

CREATE TABLE "Billing"."Line ""items""" (id int, at date NOT NULL, "the ""item""" text) PARTITION BY RANGE (at);
CREATE TABLE "Billing".lines_2025 PARTITION OF "Billing"."Line ""items""" FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
CREATE TABLE "Billing".lines_rest PARTITION OF "Billing"."Line ""items""" DEFAULT;
INSERT INTO "Billing"."Line ""items""" SELECT g, date '2025-12-01' + g, 'item ' || g FROM generate_series(1, 60) g;
CREATE TABLE hashed (id int, t text) PARTITION BY HASH (id);
CREATE TABLE hashed_0 PARTITION OF hashed FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE hashed_1 PARTITION OF hashed FOR VALUES WITH (MODULUS 2, REMAINDER 1);
INSERT INTO hashed SELECT g, 'row ' || g FROM generate_series(1, 50) g;

CREATE TABLE empty (id int);
CREATE TABLE nothing ();
INSERT INTO nothing DEFAULT VALUES;

CREATE SEQUENCE ticket START 42;
CREATE SEQUENCE called;
SELECT nextval('called') FROM generate_series(1, 7);
CREATE MATERIALIZED VIEW totals AS SELECT patient, sum(amount) AS sum FROM claims GROUP BY patient;
CREATE MATERIALIZED VIEW a_total AS SELECT sum(sum) FROM totals;
CREATE MATERIALIZED VIEW unfilled AS SELECT 1 AS one WITH NO DATA;
CREATE UNIQUE INDEX ON totals (patient);

SELECT lo_create(4711);
SELECT lo_put(4711, 0, decode(repeat('00ff5c0a', 50000), 'hex'));
SELECT lo_create(4712);
