-- Views that need each other, keys, or what comes after the data. Run by a plain owner.
CREATE VIEW public.v_plain WITH (security_barrier) AS SELECT id, egg FROM public.hen WHERE id > 1 WITH LOCAL CHECK OPTION;
CREATE VIEW public.v_over WITH (security_invoker = true) AS SELECT * FROM public.v_plain WHERE egg < 50 WITH CASCADED CHECK OPTION;
ALTER VIEW public.v_over ALTER COLUMN id SET DEFAULT 7;
CREATE RECURSIVE VIEW public.v_numbers (n) AS VALUES (1) UNION ALL SELECT n + 1 FROM v_numbers WHERE n < 5;
-- It needs a primary key, so it can only be made after the data; so do those above it, a materialized view and its indexes.
CREATE VIEW public.v_by_key AS SELECT h.id, h.egg, count(*) AS n FROM public.hen h JOIN public.egg e ON e.hen = h.id GROUP BY h.id;
CREATE VIEW public.v_over_by_key AS SELECT id, n FROM public.v_by_key WHERE n > 0;
CREATE MATERIALIZED VIEW public.m_by_key AS SELECT id, n FROM public.v_over_by_key;
CREATE UNIQUE INDEX m_by_key_id ON public.m_by_key (id);
CREATE MATERIALIZED VIEW public.a_over_m AS SELECT count(*) AS rows, max(id) AS id FROM public.m_by_key;
CREATE INDEX a_over_m_rows ON public.a_over_m (rows);
CREATE VIEW public.v_over_m AS SELECT rows FROM public.a_over_m;
CREATE MATERIALIZED VIEW public."0 over v" AS SELECT rows FROM public.v_over_m WITH NO DATA;
CREATE INDEX ON public."0 over v" (rows);
CREATE MATERIALIZED VIEW public.m_direct AS SELECT id FROM public.hen GROUP BY hen.id, egg ORDER BY id WITH DATA;
COMMENT ON MATERIALIZED VIEW public.m_by_key IS 'materialized view';
COMMENT ON COLUMN public.m_by_key.n IS 'its column';
GRANT SELECT ON public.m_by_key, public.v_by_key TO pg_monitor;
ALTER MATERIALIZED VIEW public.m_by_key ALTER COLUMN n SET STATISTICS 5;
ALTER MATERIALIZED VIEW public.m_by_key CLUSTER ON m_by_key_id;
-- Two views that need each other.
CREATE VIEW public.v_ring_a AS SELECT 1 AS x;
CREATE VIEW public.v_ring_b AS SELECT x FROM public.v_ring_a;
CREATE OR REPLACE VIEW public.v_ring_a AS SELECT 1 AS x WHERE false AND EXISTS (SELECT FROM public.v_ring_b);
CREATE VIEW public.v_nothing AS SELECT;
CREATE VIEW public.v_insertable AS SELECT id, what FROM public.log_;
CREATE FUNCTION public.instead() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
CREATE TRIGGER instead_of INSTEAD OF INSERT ON public.v_insertable FOR EACH ROW EXECUTE FUNCTION public.instead();
CREATE VIEW public.v_ruled AS SELECT id FROM public.log_;
CREATE RULE ins AS ON INSERT TO public.v_ruled DO INSTEAD INSERT INTO public.log_ (id) VALUES (NEW.id) RETURNING id;
COMMENT ON VIEW public.v_by_key IS E'--\n-- Name: v; Type: VIEW; Schema: public; Owner: -\n--\nDROP TABLE hen;';
CREATE VIEW public.v_text AS SELECT E'\n--\n-- Name: fake; Type: VIEW; Schema: public; Owner: -\n--\n\nDROP TABLE public.hen;\n' AS "--
-- Name: fake; Type: TABLE; Schema: -; Owner: -";
-- A function whose body needs a key, and a view over it.
CREATE FUNCTION public.by_key() RETURNS SETOF int LANGUAGE sql STABLE BEGIN ATOMIC SELECT hen.egg FROM public.hen GROUP BY hen.id; END;
CREATE VIEW public.v_of_function AS SELECT * FROM public.by_key();
