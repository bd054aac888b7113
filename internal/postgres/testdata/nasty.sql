-- A database with one of everything that has gone wrong somewhere. Restored, pg_dump has to say the same of it.
CREATE SCHEMA "Weird ""schema""
with a newline";
CREATE TYPE public.mood AS ENUM ('sad', 'it''s ok', E'new\nline');
CREATE DOMAIN public.percent AS numeric(5,2) CHECK (VALUE BETWEEN 0 AND 100);
CREATE TYPE public.pair AS (a int, b text);
CREATE TYPE public.span AS RANGE (subtype = float8);
CREATE DOMAIN public.pairs AS public.pair[];
CREATE FUNCTION public.double_it(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1 * 2';
CREATE FUNCTION public.touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.note := coalesce(NEW.note, '') || '!'; RETURN NEW; END $$;
CREATE AGGREGATE public.product(int) (SFUNC = int4mul, STYPE = int, INITCOND = '1');
CREATE COLLATION public.plain (provider = icu, locale = 'und');

CREATE TABLE public.types (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	dropped text, b bool, i2 int2, i8 int8, f4 float4, f8 float8, n numeric, m money, c char(5), v varchar(10), t text COLLATE public.plain,
	by bytea, ts timestamp, tz timestamptz, d date, ti time, tt timetz, iv interval, u uuid, j json, jb jsonb, x xml, ip inet, ci cidr, mac macaddr,
	pt point, bx box, bi bit(3), vb bit varying, tv tsvector, tq tsquery, r int4range, mr int4multirange, mood public.mood, pc public.percent,
	pr public.pair, prs public.pairs, sp public.span, ai int[], at text[][], oid_ oid, lsn pg_lsn,
	gen int GENERATED ALWAYS AS (public.double_it(i2)) STORED, note text
);
ALTER TABLE public.types DROP COLUMN dropped;
INSERT INTO public.types (b, i2, i8, f4, f8, n, m, c, v, t, by, ts, tz, d, ti, tt, iv, u, j, jb, x, ip, ci, mac, pt, bx, bi, vb, tv, tq, r, mr, mood, pc, pr, prs, sp, ai, at, oid_, lsn)
VALUES (true, 1, 2, 'NaN', 0.1, 'NaN', 12.34, 'ab', E'a\tb', E'back\\slash \n newline \t tab \\. \\N', '\x00ff5c0a', '4713-01-01 BC', '2026-11-25 03:00:00.123456-05', 'infinity', '24:00', '01:02:03+14', '1 year -2 mons 3.5 days -04:05', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '{"a" : 1, "a":2}', '{"b": [1, null, "\u00e9"]}', '<a>&lt;</a>', '10.0.0.1/8', '10.0.0.0/8', '08:00:2b:01:02:03', '(1.5,2)', '((0,0),(1,1))', B'101', B'1', 'fat cat', 'fat & cat', '[1,5)', '{[1,3),[5,7)}', E'new\nline', 99.99, ROW(1, E'x,"y"\\'), ARRAY[ROW(1,'a')::public.pair, NULL], '[1.5,2.5]', ARRAY[1,NULL,3], ARRAY[['a','b'],['c',NULL]], 4294967295, '16/B3733C50');
INSERT INTO public.types (i2) VALUES (NULL), (7);
CREATE TRIGGER touched BEFORE INSERT ON public.types FOR EACH ROW EXECUTE FUNCTION public.touch();

CREATE TABLE public.nothing ();
INSERT INTO public.nothing DEFAULT VALUES;
INSERT INTO public.nothing DEFAULT VALUES;
CREATE TABLE public.empty (id int);
CREATE TABLE "Weird ""schema""
with a newline"."Table, with ""quotes""" ("a column" int, "B""" text DEFAULT E'\\');
INSERT INTO "Weird ""schema""
with a newline"."Table, with ""quotes""" SELECT g, repeat('x', g) FROM generate_series(1, 100) g;

CREATE TABLE public.tree (id int PRIMARY KEY, parent int REFERENCES public.tree DEFERRABLE INITIALLY DEFERRED, other int);
CREATE TABLE public.forest (id int PRIMARY KEY, tree int REFERENCES public.tree);
INSERT INTO public.tree SELECT g, nullif(g / 2, 0), g % 5 + 1 FROM generate_series(1, 5000) g;
INSERT INTO public.forest SELECT g, g FROM generate_series(1, 5) g;
ALTER TABLE public.tree ADD FOREIGN KEY (other) REFERENCES public.forest;

CREATE TABLE public.parts (id int, at date NOT NULL, region text) PARTITION BY RANGE (at);
CREATE TABLE public.parts_2025 PARTITION OF public.parts FOR VALUES FROM ('2025-01-01') TO ('2026-01-01') PARTITION BY LIST (region);
CREATE TABLE public.parts_2025_ca (region text, id int, at date NOT NULL);
ALTER TABLE public.parts_2025 ATTACH PARTITION public.parts_2025_ca FOR VALUES IN ('ca');
CREATE TABLE public.parts_rest PARTITION OF public.parts DEFAULT;
INSERT INTO public.parts SELECT g, '2025-06-01', 'ca' FROM generate_series(1, 1000) g;
INSERT INTO public.parts SELECT g, '2030-06-01', 'qc' FROM generate_series(1, 10) g;
CREATE INDEX parts_at ON public.parts (at);
CREATE TABLE public.hashed (id int, t text) PARTITION BY HASH (id);
CREATE TABLE public.hashed_0 PARTITION OF public.hashed FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE public.hashed_1 PARTITION OF public.hashed FOR VALUES WITH (MODULUS 2, REMAINDER 1);
INSERT INTO public.hashed SELECT g, 'row ' || g FROM generate_series(1, 500) g;

CREATE TABLE public.person (name text, born date);
CREATE TABLE public.doctor (licence text) INHERITS (public.person);
CREATE TABLE public.early (licence text, name text);
ALTER TABLE public.early ADD COLUMN born date;
ALTER TABLE public.early INHERIT public.person;
INSERT INTO public.person VALUES ('p', '2000-01-01');
INSERT INTO public.doctor VALUES ('d', '1990-01-01', 'L1');
INSERT INTO public.early VALUES ('L2', 'e', '1980-01-01');

CREATE TABLE public.secretive (id int, owner text);
INSERT INTO public.secretive VALUES (1, 'a'), (2, 'b');
ALTER TABLE public.secretive ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON public.secretive USING (owner = current_user);
CREATE VIEW public.seen AS SELECT id FROM public.tree WHERE id < 10;
CREATE RULE no_seeing AS ON INSERT TO public.seen DO INSTEAD NOTHING;
CREATE MATERIALIZED VIEW public.sums AS SELECT other, count(*) AS n FROM public.tree GROUP BY other;
CREATE MATERIALIZED VIEW public.a_sums_of_sums AS SELECT sum(n) FROM public.sums;
CREATE UNIQUE INDEX sums_other ON public.sums (other);
CREATE MATERIALIZED VIEW public.unfilled AS SELECT 1 AS one WITH NO DATA;
CREATE STATISTICS public.stat ON parent, other FROM public.tree;
CREATE UNLOGGED TABLE public.fleeting (id int);
INSERT INTO public.fleeting VALUES (1);

CREATE SEQUENCE public.never_called START 42;
CREATE SEQUENCE public.called CACHE 10;
SELECT nextval('public.called') FROM generate_series(1, 3);
CREATE SEQUENCE public.downwards INCREMENT -3 MINVALUE -1000 MAXVALUE 5 START 5 CYCLE;
SELECT nextval('public.downwards');
CREATE TABLE public.numbered (id serial, other int DEFAULT nextval('public.called'));
INSERT INTO public.numbered DEFAULT VALUES;

SELECT lo_create(4711);
SELECT lo_put(4711, 0, decode(repeat('00ff', 200000), 'hex'));
SELECT lo_create(4712);
COMMENT ON LARGE OBJECT 4711 IS 'a scan';
GRANT SELECT ON LARGE OBJECT 4711 TO PUBLIC;

COMMENT ON TABLE public.tree IS E'it''s a comment\nwith a line';
COMMENT ON COLUMN public.tree.parent IS 'parent';
GRANT SELECT ON public.tree TO PUBLIC;
GRANT SELECT (id) ON public.types TO PUBLIC;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO PUBLIC;
CREATE PUBLICATION feed FOR TABLE public.tree;
ALTER TABLE public.tree REPLICA IDENTITY FULL;
ALTER TABLE public.types ALTER COLUMN t SET STORAGE EXTERNAL;
CREATE TABLE public.wide AS SELECT g AS id, repeat(md5(g::text), 2000) AS t FROM generate_series(1, 300) g;
CREATE TABLE public.many AS SELECT g AS id, md5(g::text) AS t FROM generate_series(1, 60000) g;
CREATE INDEX many_expr ON public.many (lower(t)) WHERE id > 10;
ALTER TABLE public.many ADD PRIMARY KEY (id);
