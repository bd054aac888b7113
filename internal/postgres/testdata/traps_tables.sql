-- Tables, keys and rows that have gone wrong somewhere. Run by a plain owner.

-- Hash below range, beside a plain partition; and a partition with other column order and a dropped column.
CREATE TABLE public.events (id int, kind text NOT NULL, at date NOT NULL, note text) PARTITION BY RANGE (at);
CREATE TABLE public.events_old PARTITION OF public.events FOR VALUES FROM (MINVALUE) TO ('2025-01-01') PARTITION BY HASH (id);
CREATE TABLE public.events_old_0 PARTITION OF public.events_old FOR VALUES WITH (MODULUS 3, REMAINDER 0);
CREATE TABLE public.events_old_1 PARTITION OF public.events_old FOR VALUES WITH (MODULUS 3, REMAINDER 1) PARTITION BY LIST (kind);
CREATE TABLE public.events_old_1_a PARTITION OF public.events_old_1 FOR VALUES IN ('a', NULL);
CREATE TABLE public.events_old_1_rest PARTITION OF public.events_old_1 DEFAULT;
CREATE TABLE public.events_old_2 (gone int, note text, at date NOT NULL, kind text NOT NULL, id int);
ALTER TABLE public.events_old_2 DROP COLUMN gone;
ALTER TABLE public.events_old ATTACH PARTITION public.events_old_2 FOR VALUES WITH (MODULUS 3, REMAINDER 2);
CREATE TABLE public.events_new PARTITION OF public.events FOR VALUES FROM ('2025-01-01') TO (MAXVALUE);
INSERT INTO public.events SELECT g, CASE g % 3 WHEN 0 THEN 'a' ELSE 'b' END, '2024-12-01'::date + g % 60, 'event ' || g FROM generate_series(1, 900) g;
ALTER TABLE public.events ADD PRIMARY KEY (id, kind, at);
ALTER TABLE public.events_new ALTER COLUMN note SET DEFAULT 'only here';
CREATE INDEX events_kind ON ONLY public.events (kind); -- invalid: no partition has it
CREATE INDEX events_new_kind ON public.events_new (kind);
CREATE TABLE public.of_events (id int, kind text, at date, FOREIGN KEY (id, kind, at) REFERENCES public.events DEFERRABLE INITIALLY DEFERRED);
INSERT INTO public.of_events SELECT id, kind, at FROM public.events LIMIT 50;
CREATE TABLE public.parted_keys (id int, parent int) PARTITION BY LIST (id);
CREATE TABLE public.parted_keys_1 PARTITION OF public.parted_keys FOR VALUES IN (1, 2, 3);
ALTER TABLE public.parted_keys ADD PRIMARY KEY (id);
ALTER TABLE public.parted_keys ADD FOREIGN KEY (parent) REFERENCES public.parted_keys ON DELETE CASCADE;
INSERT INTO public.parted_keys VALUES (1, 3), (2, 1), (3, 2);

-- Keys in a circle, keys that were never checked, keys of every kind.
CREATE TABLE public.hen (id int PRIMARY KEY, egg int NOT NULL);
CREATE TABLE public.egg (id int PRIMARY KEY, hen int NOT NULL REFERENCES public.hen DEFERRABLE INITIALLY DEFERRED);
ALTER TABLE public.hen ADD CONSTRAINT "laid, from" FOREIGN KEY (egg) REFERENCES public.egg ON UPDATE CASCADE DEFERRABLE;
BEGIN;
SET CONSTRAINTS ALL DEFERRED;
INSERT INTO public.hen SELECT g, g FROM generate_series(1, 100) g;
INSERT INTO public.egg SELECT g, 101 - g FROM generate_series(1, 100) g;
COMMIT;
CREATE TABLE public.orphan (id int, hen int, amount int);
INSERT INTO public.orphan VALUES (1, 4711, -5), (2, 1, 5);
ALTER TABLE public.orphan ADD CONSTRAINT never_checked FOREIGN KEY (hen) REFERENCES public.hen NOT VALID;
ALTER TABLE public.orphan ADD CONSTRAINT positive CHECK (amount > 0) NOT VALID;
CREATE TABLE public.bookings (room int, during tsrange, code text, EXCLUDE USING gist (during WITH &&) WHERE (room = 1) DEFERRABLE);
INSERT INTO public.bookings VALUES (1, '[2026-01-01,2026-01-02)', 'a'), (2, '[2026-01-01,2026-01-02)', 'a');
ALTER TABLE public.bookings ADD CONSTRAINT codes UNIQUE NULLS NOT DISTINCT (room, code) DEFERRABLE;
CREATE UNIQUE INDEX booking_code ON public.bookings (code, room) INCLUDE (during);
ALTER TABLE public.bookings ADD CONSTRAINT by_index UNIQUE USING INDEX booking_code;

-- Inheritance of more than one parent, with defaults and checks of its own.
CREATE TABLE public.named_ (name text DEFAULT 'nobody' CHECK (name <> ''), born date);
CREATE TABLE public.paid (wage numeric(10,2) DEFAULT 1.5 CONSTRAINT decent CHECK (wage > 0) NO INHERIT, name text);
CREATE TABLE public.worker (name text DEFAULT 'worker', extra int, CONSTRAINT named_name_check CHECK (name <> 'x')) INHERITS (public.named_, public.paid);
ALTER TABLE public.worker ALTER COLUMN born SET DEFAULT '2000-01-01', ALTER COLUMN extra SET NOT NULL;
CREATE TABLE public.trainee () INHERITS (public.worker);
INSERT INTO public.named_ VALUES ('n', '1999-01-01');
INSERT INTO public.worker VALUES ('w', '1999-01-01', 12.34, 7);
INSERT INTO public.trainee (name, extra) VALUES ('t', 1);

-- No columns to copy, only generated ones, many dropped ones.
CREATE TABLE public.bare ();
INSERT INTO public.bare SELECT FROM generate_series(1, 3000);
CREATE TABLE public.computed (one int GENERATED ALWAYS AS (1) STORED);
INSERT INTO public.computed SELECT FROM generate_series(1, 5);
CREATE TABLE public.moth (a int, b text, c int, d text);
INSERT INTO public.moth VALUES (1, 'b', 2, 'd');
ALTER TABLE public.moth DROP COLUMN a, DROP COLUMN c, ADD COLUMN e int DEFAULT 7 NOT NULL, ADD COLUMN f timestamptz DEFAULT now();

-- Names.
CREATE SCHEMA "Ünïcödé 漢字 $1 '; DROP";
CREATE TABLE "Ünïcödé 漢字 $1 '; DROP"."ééééééééééééééééééééééééééééééx" ("select" int PRIMARY KEY, "\." text, "a	tab" text, "'" text);
INSERT INTO "Ünïcödé 漢字 $1 '; DROP"."ééééééééééééééééééééééééééééééx" VALUES (1, '\.', E'\t', ''''), (2, '\N', NULL, '');
CREATE TABLE public."-- Name: fake; Type: TABLE; Schema: public; Owner: -
--" (id serial, "--
DROP" text DEFAULT E'\n--\n-- Name: fake; Type: TABLE; Schema: public; Owner: -\n--\n');
INSERT INTO public."-- Name: fake; Type: TABLE; Schema: public; Owner: -
--" DEFAULT VALUES;
COMMENT ON COLUMN public."-- Name: fake; Type: TABLE; Schema: public; Owner: -
--"."--
DROP" IS E'--\n-- Name: fake; Type: COMMENT; Schema: -; Owner: -\n--\n\n\\connect template1';
CREATE TABLE public."%s ""quoted"" \ % $$" (id int GENERATED BY DEFAULT AS IDENTITY (START 100 INCREMENT -7 MINVALUE -1000 MAXVALUE 200 CYCLE));
INSERT INTO public."%s ""quoted"" \ % $$" SELECT FROM generate_series(1, 3);

-- Storage.
CREATE TABLE public.stored (id int PRIMARY KEY, plain text, packed text, big bytea) WITH (fillfactor = 50, autovacuum_enabled = off, toast.autovacuum_vacuum_threshold = 77);
ALTER TABLE public.stored ALTER plain SET STORAGE EXTERNAL, ALTER packed SET STORAGE MAIN, ALTER plain SET STATISTICS 500, ALTER id SET (n_distinct = -0.5);
ALTER TABLE public.stored ALTER packed SET COMPRESSION lz4;
INSERT INTO public.stored SELECT g, repeat('plain', 3000), repeat('packed', 3000), decode(repeat(md5(g::text), 2000), 'hex') FROM generate_series(1, 20) g;
ALTER TABLE public.stored CLUSTER ON stored_pkey;
CREATE UNIQUE INDEX stored_identity ON public.stored (id) WITH (fillfactor = 60);
ALTER TABLE public.stored REPLICA IDENTITY USING INDEX stored_identity;
CREATE INDEX stored_expr ON public.stored ((length(plain)), (id + 1)) WHERE id > 3;
ALTER INDEX public.stored_expr ALTER COLUMN 1 SET STATISTICS 77;
CREATE INDEX stored_brin ON public.stored USING brin (id) WITH (pages_per_range = 4);
CREATE INDEX stored_hash ON public.stored USING hash (plain);
CREATE INDEX stored_desc ON public.stored (packed COLLATE "C" text_pattern_ops DESC NULLS LAST);
CREATE STATISTICS public.stored_stat (ndistinct, dependencies, mcv) ON id, plain FROM public.stored;
ALTER STATISTICS public.stored_stat SET STATISTICS 33;
CREATE STATISTICS public.stored_expr_stat ON (length(plain)), (id * 2) FROM public.stored;
CREATE TYPE public.person_type AS (id int, name text);
CREATE TABLE public.typed OF public.person_type (PRIMARY KEY (id), name WITH OPTIONS DEFAULT 'typed');
INSERT INTO public.typed VALUES (1);
CREATE UNLOGGED TABLE public.unlogged_parted (id int) PARTITION BY LIST (id);
CREATE UNLOGGED TABLE public.unlogged_parted_1 PARTITION OF public.unlogged_parted FOR VALUES IN (1);
CREATE UNLOGGED SEQUENCE public.unlogged_seq;

-- Sequences at their ends, and with every option.
CREATE SEQUENCE public.at_max AS smallint MAXVALUE 3;
SELECT nextval('public.at_max') FROM generate_series(1, 3);
CREATE SEQUENCE public.at_min INCREMENT -9223372036854775807 MINVALUE -9223372036854775808 MAXVALUE 9223372036854775807 START 9223372036854775807;
SELECT nextval('public.at_min') FROM generate_series(1, 2);
CREATE SEQUENCE public."Owned "" one" CACHE 50 CYCLE;
ALTER SEQUENCE public."Owned "" one" OWNED BY public.stored.id;
SELECT setval('public."Owned "" one"', 77, false);
ALTER TABLE public.moth ADD COLUMN num int GENERATED ALWAYS AS IDENTITY (SEQUENCE NAME public."moth's numbers");
