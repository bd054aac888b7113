-- Tables that hang together in every way that PostgreSQL knows. Any of them is wanted alone.
CREATE SCHEMA other;
CREATE TYPE public.state AS ENUM ('open', 'paid');
CREATE DOMAIN public.amount AS numeric CHECK (VALUE >= 0);
CREATE TABLE public.patients (id int PRIMARY KEY, name text NOT NULL);
CREATE TABLE public.numbers (id serial PRIMARY KEY);
CREATE TABLE public.audit (at timestamptz DEFAULT now(), what text);
CREATE TABLE public.lookup (code text PRIMARY KEY, worth int);
CREATE TABLE public.claims (
	id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, patient int REFERENCES public.patients, batch int, code text, state public.state DEFAULT 'open',
	amount public.amount, alt int DEFAULT nextval('public.numbers_id_seq'), note text CHECK (note <> 'bad')
);
CREATE TABLE public.batches (id int PRIMARY KEY, last_claim int REFERENCES public.claims);
ALTER TABLE public.claims ADD CONSTRAINT claims_batch FOREIGN KEY (batch) REFERENCES public.batches DEFERRABLE;
INSERT INTO public.patients SELECT g, 'patient ' || g FROM generate_series(1, 1000) g;
INSERT INTO public.batches SELECT g FROM generate_series(1, 10) g;
INSERT INTO public.lookup VALUES ('a', 1), ('b', 2);
INSERT INTO public.claims (patient, batch, code, amount, note) SELECT g, g % 10 + 1, 'a', g, 'note ' || g FROM generate_series(1, 500) g;
UPDATE public.batches SET last_claim = id;
INSERT INTO public.audit (what) VALUES ('began');

CREATE FUNCTION public.worth(text) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT worth FROM public.lookup WHERE code = $1';
CREATE INDEX claims_worth ON public.claims (public.worth(code));
COMMENT ON INDEX public.claims_worth IS 'looks something up';
CREATE INDEX claims_note ON public.claims (note);
CREATE STATISTICS public.claims_stat ON patient, batch FROM public.claims;
CREATE STATISTICS public.patients_stat ON id, name FROM public.patients;
CREATE FUNCTION public.log_it() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO public.audit (what) VALUES (TG_OP); RETURN NEW; END $$;
CREATE TRIGGER logged AFTER INSERT OR UPDATE OF note ON public.claims FOR EACH ROW EXECUTE FUNCTION public.log_it();
CREATE TRIGGER logged AFTER INSERT ON public.patients FOR EACH ROW EXECUTE FUNCTION public.log_it();
COMMENT ON TRIGGER logged ON public.patients IS 'not here';
CREATE RULE noted AS ON DELETE TO public.claims DO ALSO INSERT INTO public.audit (what) VALUES ('gone');
COMMENT ON RULE noted ON public.claims IS 'neither';
ALTER TABLE public.claims ENABLE ROW LEVEL SECURITY;
CREATE POLICY plain ON public.claims USING (true);
CREATE POLICY own ON public.claims USING (patient IN (SELECT id FROM public.patients));

CREATE VIEW public.open_claims AS SELECT id, note FROM public.claims WHERE state = 'open';
CREATE VIEW public.named_claims AS SELECT c.id, p.name FROM public.claims c JOIN public.patients p ON p.id = c.patient;
CREATE VIEW other.above AS SELECT count(*) FROM public.named_claims;
CREATE VIEW public.grouped AS SELECT c.id, c.note, count(p.id) FROM public.claims c LEFT JOIN public.patients p ON p.id = c.patient GROUP BY c.id;
CREATE VIEW public.above_grouped AS SELECT id FROM public.grouped;
CREATE VIEW public.grouped_alone AS SELECT id, note, count(*) FROM public.claims GROUP BY id;
CREATE MATERIALIZED VIEW public.counted AS SELECT state, count(*) FROM public.claims GROUP BY state;
CREATE MATERIALIZED VIEW public.named AS SELECT * FROM public.named_claims;
CREATE INDEX named_id ON public.named (id);
CREATE MATERIALIZED VIEW public.worths AS SELECT id, public.worth(code) FROM public.claims;
CREATE FUNCTION public.all_patients() RETURNS SETOF public.patients LANGUAGE sql AS 'SELECT * FROM public.patients';
CREATE FUNCTION public.count_patients() RETURNS bigint LANGUAGE sql BEGIN ATOMIC SELECT count(*) FROM public.patients; END;
CREATE PUBLICATION feed FOR TABLE public.patients, public.claims;
COMMENT ON PUBLICATION feed IS 'elsewhere';

-- Parents and children.
CREATE TABLE public.readings (id int, at date NOT NULL, claim int REFERENCES public.claims, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
CREATE TABLE public.readings_2025 PARTITION OF public.readings FOR VALUES FROM ('2025-01-01') TO ('2026-01-01') PARTITION BY HASH (id);
CREATE TABLE public.readings_2025_0 PARTITION OF public.readings_2025 FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE other.readings_2025_1 PARTITION OF public.readings_2025 FOR VALUES WITH (MODULUS 2, REMAINDER 1);
CREATE TABLE public.readings_rest PARTITION OF public.readings DEFAULT;
INSERT INTO public.readings SELECT g, '2025-05-05', g FROM generate_series(1, 200) g;
INSERT INTO public.readings SELECT g, '2027-05-05', g FROM generate_series(1, 50) g;
CREATE TABLE public.points (reading int, at date, FOREIGN KEY (reading, at) REFERENCES public.readings);
INSERT INTO public.points VALUES (1, '2025-05-05'), (2, '2027-05-05');
CREATE TABLE public.person (name text, born date, CHECK (born > '1800-01-01'));
CREATE TABLE public.doctor (licence text) INHERITS (public.person);
INSERT INTO public.person VALUES ('p', '2000-01-01');
INSERT INTO public.doctor VALUES ('d', '1990-01-01', 'L1');

-- Tables that cannot be without another.
CREATE TABLE other.visits (id int, who public.patients, earlier public.patients[]);
INSERT INTO other.visits VALUES (1, ROW(1, 'x'), NULL);
CREATE FUNCTION other.rate(public.patients) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 7';
CREATE TABLE other.rated (id int, rate int DEFAULT other.rate(NULL));
INSERT INTO other.rated VALUES (1, 2);

CREATE TABLE other.checked (code text CHECK (public.worth(code) > 0));
INSERT INTO other.checked VALUES ('a');

-- Names.
CREATE TABLE public.a (id int, CONSTRAINT "b pk" PRIMARY KEY (id));
CREATE TABLE public."a b" (id int, CONSTRAINT pk PRIMARY KEY (id));
CREATE TABLE public."other.dotted" ("x.y" int);
CREATE TABLE other."Q""uote*" (id int, t text DEFAULT E'\n)\nINHERITS (public.person)');
INSERT INTO public."a b" VALUES (1);
INSERT INTO public."other.dotted" VALUES (1);
INSERT INTO other."Q""uote*" (id) VALUES (1);
CREATE UNLOGGED TABLE public.fleeting (id int);
SELECT lo_create(77);
GRANT SELECT ON public.claims, public.patients TO PUBLIC;
COMMENT ON COLUMN public.patients.name IS 'a name';
