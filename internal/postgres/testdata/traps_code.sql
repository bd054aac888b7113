-- Functions, triggers, rules and what else runs. Run by a plain owner.
CREATE FUNCTION public.older(x anyelement, VARIADIC rest int[] DEFAULT '{}') RETURNS anyelement LANGUAGE sql IMMUTABLE PARALLEL SAFE COST 7 STRICT AS $a$ SELECT $1 $a$;
CREATE FUNCTION public.rows_of(OUT a int, INOUT b text, n int DEFAULT 3) RETURNS SETOF record LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET work_mem = '5MB' ROWS 10 AS $$ BEGIN RETURN QUERY SELECT 1, 'x'; END $$;
CREATE FUNCTION public.table_of() RETURNS TABLE ("a b" int, c text) LANGUAGE sql BEGIN ATOMIC SELECT id, name FROM public.typed; END;
CREATE PROCEDURE public.do_it(INOUT x int) LANGUAGE plpgsql AS $$ BEGIN COMMIT; END $$;
CREATE AGGREGATE public.concat_all(text) (SFUNC = textcat, STYPE = text, INITCOND = E'\'\\', PARALLEL = safe);
CREATE FUNCTION public.cmp(public.inner_, public.inner_) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT $1.a = $2.a';
CREATE OPERATOR public.=== (LEFTARG = public.inner_, RIGHTARG = public.inner_, FUNCTION = public.cmp, COMMUTATOR = OPERATOR(public.===));
CREATE FUNCTION public.to_int(public.inner_) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1.a';
CREATE CAST (public.inner_ AS int) WITH FUNCTION public.to_int(public.inner_) AS ASSIGNMENT;
CREATE CONVERSION public.conv FOR 'LATIN1' TO 'UTF8' FROM iso8859_1_to_utf8;
CREATE TEXT SEARCH DICTIONARY public.dict (TEMPLATE = simple, STOPWORDS = english);
CREATE TEXT SEARCH CONFIGURATION public.cfg (COPY = english);
ALTER TEXT SEARCH CONFIGURATION public.cfg ALTER MAPPING FOR asciiword WITH public.dict;
CREATE TABLE public.searched (id int, t text, v tsvector GENERATED ALWAYS AS (to_tsvector('public.cfg', coalesce(t, ''))) STORED);
INSERT INTO public.searched VALUES (1, 'the fat cat'), (2, NULL);
CREATE INDEX searched_v ON public.searched USING gin (v);

-- Defaults, checks and domains that call functions which read other tables; the table comes first by name.
CREATE TABLE public.z_allowed (code text PRIMARY KEY);
INSERT INTO public.z_allowed VALUES ('a'), ('b');
CREATE FUNCTION public.is_allowed(text) RETURNS boolean LANGUAGE sql STABLE AS 'SELECT EXISTS (SELECT FROM public.z_allowed WHERE code = $1)';
CREATE FUNCTION public.is_allowed_here(text) RETURNS boolean LANGUAGE plpgsql STABLE AS 'BEGIN RETURN EXISTS (SELECT FROM z_allowed WHERE code = $1); END';
CREATE FUNCTION public.next_code() RETURNS text LANGUAGE sql STABLE AS 'SELECT max(code) FROM public.z_allowed';
CREATE DOMAIN public.allowed AS text CONSTRAINT in_list CHECK (public.is_allowed(VALUE));
COMMENT ON CONSTRAINT in_list ON DOMAIN public.allowed IS 'reads a table';
CREATE TABLE public.a_checked (code text DEFAULT public.next_code() CONSTRAINT known CHECK (public.is_allowed(code)) CONSTRAINT known_here CHECK (public.is_allowed_here(code)), d public.allowed, n int CHECK (n > 0));
COMMENT ON CONSTRAINT known ON public.a_checked IS 'it''s a comment';
CREATE TABLE public.a_checked_child (CONSTRAINT known CHECK (public.is_allowed(code)), own int CONSTRAINT own_too CHECK (public.is_allowed(own::text) IS NOT NULL) NO INHERIT) INHERITS (public.a_checked);
INSERT INTO public.a_checked VALUES ('a', 'b', 1);
INSERT INTO public.a_checked_child VALUES ('b', 'a', 1, 1);
CREATE TABLE public.a_parted (code text CONSTRAINT known CHECK (public.is_allowed(code))) PARTITION BY LIST (code);
CREATE TABLE public.a_parted_a PARTITION OF public.a_parted FOR VALUES IN ('a');
CREATE TABLE public.a_parted_b (code text CONSTRAINT known CHECK (public.is_allowed(code)));
ALTER TABLE public.a_parted ATTACH PARTITION public.a_parted_b FOR VALUES IN ('b');
INSERT INTO public.a_parted VALUES ('a'), ('b');
-- Its function changed after the rows were written: no dump can be loaded with this check in place.
CREATE FUNCTION public.strict_now(int) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT true';
CREATE TABLE public.a_outdated (n int CONSTRAINT was_right CHECK (public.strict_now(n)));
INSERT INTO public.a_outdated VALUES (1), (-1);
CREATE OR REPLACE FUNCTION public.strict_now(int) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT $1 > 0';

-- An index and a materialized view whose functions only work with the search path of the application.
CREATE TABLE public.helper_words (w text);
INSERT INTO public.helper_words VALUES ('x');
CREATE FUNCTION public.plain_helper(text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN lower($1); END';
CREATE FUNCTION public.by_path(text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN plain_helper($1); END';
CREATE TABLE public.by_path_table (t text);
INSERT INTO public.by_path_table VALUES ('A'), ('B');
CREATE INDEX by_path_index ON public.by_path_table (public.by_path(t));
CREATE FUNCTION public.count_words() RETURNS bigint LANGUAGE plpgsql STABLE AS 'BEGIN RETURN (SELECT count(*) FROM helper_words); END';
CREATE MATERIALIZED VIEW public.by_path_view AS SELECT public.count_words() AS n;

-- Triggers in every state.
CREATE FUNCTION public.trig() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
CREATE TABLE public.triggered (id int, t text);
CREATE TRIGGER a_always AFTER UPDATE OF t ON public.triggered FOR EACH ROW WHEN (OLD.t IS DISTINCT FROM NEW.t) EXECUTE FUNCTION public.trig('a', E'b\\''c');
CREATE TRIGGER b_replica BEFORE INSERT ON public.triggered FOR EACH STATEMENT EXECUTE FUNCTION public.trig();
CREATE TRIGGER c_disabled AFTER DELETE ON public.triggered FOR EACH ROW EXECUTE FUNCTION public.trig();
CREATE CONSTRAINT TRIGGER d_constraint AFTER INSERT ON public.triggered FROM public.z_allowed DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION public.trig();
CREATE TRIGGER e_transition AFTER UPDATE ON public.triggered REFERENCING OLD TABLE AS o NEW TABLE AS "N" FOR EACH STATEMENT EXECUTE FUNCTION public.trig();
ALTER TABLE public.triggered ENABLE ALWAYS TRIGGER a_always, ENABLE REPLICA TRIGGER b_replica, DISABLE TRIGGER c_disabled;
INSERT INTO public.triggered VALUES (1, 'as it is');
CREATE TRIGGER on_parted AFTER INSERT ON public.events FOR EACH ROW EXECUTE FUNCTION public.trig();
ALTER TABLE public.events_new DISABLE TRIGGER on_parted;
COMMENT ON TRIGGER a_always ON public.triggered IS 'trigger';
CREATE TABLE public.log_ (id int, what text);
CREATE RULE also_log AS ON INSERT TO public.triggered DO ALSO INSERT INTO public.log_ VALUES (NEW.id, E'-- Name: x; Type: RULE; Schema: public; Owner: -\n');
CREATE RULE no_delete AS ON DELETE TO public.triggered WHERE OLD.id = 1 DO INSTEAD NOTHING;
ALTER TABLE public.triggered DISABLE RULE no_delete, ENABLE ALWAYS RULE also_log;
COMMENT ON RULE also_log ON public.triggered IS 'rule';

-- Row security: enabled, with policies of each kind.
CREATE TABLE public.tenants (id int, tenant text);
INSERT INTO public.tenants VALUES (1, 'a'), (2, 'b');
ALTER TABLE public.tenants ENABLE ROW LEVEL SECURITY;
CREATE POLICY "reads; TO all" ON public.tenants AS PERMISSIVE FOR SELECT TO PUBLIC USING (tenant = current_setting('app.tenant', true));
CREATE POLICY writes ON public.tenants AS RESTRICTIVE FOR INSERT WITH CHECK (tenant <> ' TO b');
COMMENT ON POLICY writes ON public.tenants IS 'policy';
CREATE PUBLICATION narrow FOR TABLE ONLY public.tenants (id) WHERE (id > 1), public.hen WITH (publish = 'insert', publish_via_partition_root = true);

-- Comments on everything, and rights on everything.
COMMENT ON SCHEMA "Ünïcödé 漢字 $1 '; DROP" IS 'schema';
COMMENT ON TYPE public.colour IS 'type';
COMMENT ON DOMAIN public.short IS 'domain';
COMMENT ON COLUMN public.inner_.a IS 'attribute';
COMMENT ON FUNCTION public.older(anyelement, int[]) IS E'function\n--\n-- Name: x; Type: COMMENT; Schema: -; Owner: -\n--\n';
COMMENT ON AGGREGATE public.concat_all(text) IS 'aggregate';
COMMENT ON OPERATOR public.=== (public.inner_, public.inner_) IS 'operator';
COMMENT ON CAST (public.inner_ AS int) IS 'cast';
COMMENT ON COLLATION public.ignoring IS 'collation';
COMMENT ON CONVERSION public.conv IS 'conversion';
COMMENT ON TEXT SEARCH CONFIGURATION public.cfg IS 'configuration';
COMMENT ON TEXT SEARCH DICTIONARY public.dict IS 'dictionary';
COMMENT ON INDEX public.stored_brin IS 'index';
COMMENT ON SEQUENCE public.at_max IS 'sequence';
COMMENT ON STATISTICS public.stored_stat IS 'statistics';
COMMENT ON CONSTRAINT "laid, from" ON public.hen IS 'constraint';
COMMENT ON PUBLICATION narrow IS 'publication';
COMMENT ON PROCEDURE public.do_it IS 'procedure';
REVOKE ALL ON FUNCTION public.older(anyelement, int[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION public.is_allowed(text) TO pg_monitor WITH GRANT OPTION;
GRANT USAGE ON SCHEMA "Ünïcödé 漢字 $1 '; DROP" TO pg_monitor;
GRANT SELECT (id), UPDATE (plain) ON public.stored TO pg_monitor WITH GRANT OPTION;
GRANT USAGE ON SEQUENCE public.at_max TO PUBLIC;
GRANT USAGE ON TYPE public.colour TO pg_monitor;
REVOKE USAGE ON TYPE public.short FROM PUBLIC;
GRANT ALL ON TABLE public.stored TO pg_monitor;
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT ALL ON SEQUENCES TO pg_monitor;
ALTER DEFAULT PRIVILEGES GRANT USAGE ON SCHEMAS TO pg_monitor WITH GRANT OPTION;
