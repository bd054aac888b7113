-- Values at the edges of every built-in type, and types of our own. Run by a plain owner.
CREATE TYPE public.colour AS ENUM ('green', 'blue');
ALTER TYPE public.colour ADD VALUE 'red' BEFORE 'green';
ALTER TYPE public.colour ADD VALUE E'x\\y''z,"(' AFTER 'blue';
CREATE DOMAIN public.short AS varchar(10) COLLATE "C" DEFAULT 'x' NOT NULL CONSTRAINT no_blank CHECK (VALUE !~ ' ');
CREATE DOMAIN public.shorter AS public.short CHECK (length(VALUE) < 6);
CREATE TYPE public.inner_ AS (a int, "b,c" text, d public.colour[]);
CREATE TYPE public.outer_ AS (i public.inner_, more public.inner_[], s public.shorter);
CREATE TYPE public.textrange AS RANGE (subtype = text, collation = "C", multirange_type_name = public.textranges);
CREATE DOMAIN public.evens AS int[] CHECK (array_length(VALUE, 1) < 5);
CREATE COLLATION public.ignoring (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE TABLE public.edges (
	id int PRIMARY KEY, f4 real, f8 double precision, n numeric, n2 numeric(1000, 500), m money, d date, t time, tz timetz, ts timestamp(0), tsz timestamptz,
	iv interval, iv2 interval year to month, c char(3), vc varchar, b bytea, bo bool, i8 bigint, bi bit(9), vb varbit, u uuid, j json, jb jsonb, jp jsonpath, x xml,
	p point, l line, ls lseg, bx box, pa path, po polygon, ci circle, ip inet, cd cidr, m6 macaddr, m8 macaddr8, tv tsvector, tq tsquery,
	r4 int4range, r8 int8range, rn numrange, rd daterange, rt tsrange, rz tstzrange, mr4 int4multirange, mrn nummultirange, mrz tstzmultirange, xr public.textrange, xmr public.textranges,
	o oid, rc regclass, rp regprocedure, ro regoperator, rty regtype, rr regrole, rns regnamespace, rcfg regconfig, xi xid, xi8 xid8, ti tid, lsn pg_lsn, sn pg_snapshot, na name, ch "char", acl aclitem,
	a4 int[], a2 text[][], ax jsonb[], ai interval[], co public.colour, cos public.colour[], sh public.short, sx public.shorter, ou public.outer_, ous public.outer_[], ev public.evens, ig text COLLATE public.ignoring, iv4 int2vector, ov oidvector);
INSERT INTO public.edges VALUES (1, 'NaN', 'Infinity', 'Infinity', 1e-400, '-92233720368547758.08', 'infinity', '24:00', '00:00:00+15:59', '294276-12-31', '-infinity',
	'-178000000 years', '3 years 2 mons', 'é', E'\b\f\n\r\t\v\\', '\x', true, -9223372036854775808, B'101010101', B'', '00000000-0000-0000-0000-000000000000', '"\u0061"', '{"a": 1.0000000000000000000001, "b": "\u00e9\\u0000"}', '$.a[*] ? (@ > 1 && exists (@.b))', '<?xml version="1.0"?><a b="c">&amp;<![CDATA[<]]></a>',
	'(NaN,Infinity)', '{1,2,3}', '[(0,0),(1,1e300)]', '(2,2),(1,1)', '[(0,0),(1,1)]', '((0,0),(1,1),(1,0))', '<(0,0),5>', '::ffff:1.2.3.4/96', '::/0', '08:00:2b:01:02:03', '08:00:2b:01:02:03:04:05', $$'a b':1A 'c''d':2B,3$$, $$'a' & !('b' <-> 'c':*AB)$$,
	'empty', '(,5]', '[1.5,)', '(,)', '[2026-01-01 00:00,infinity]', '[-infinity,2026-01-01 00:00+00)', '{}', '{(,1),[2,3),[5,)}', '{[2026-01-01 00:00+00,2026-01-02 00:00+00)}', '["a,b","z""\\z"]', '{["",a),(b,)}',
	4294967295, 'public.edges', 'pg_catalog.lower(text)', '+(integer,integer)', 'public.inner_[]', 'pg_read_all_data', 'public', 'english', '4294967295', '18446744073709551615', '(4294967295,65535)', 'FFFFFFFF/FFFFFFFF', '10:20:10,14,15', 'a name', '\', 'pg_read_all_data=r*/pg_monitor',
	'[0:2]={1,NULL,3}', '{{a,"b,c"},{NULL,"NULL"}}', '{"{\"a\": [1, \"x\\\\y\"]}",NULL}', '{"1 day","-00:00:01"}', E'x\\y''z,"(', ARRAY['red', NULL, E'x\\y''z,"(']::public.colour[], 'short', 'tiny',
	ROW(ROW(1, E'q"u,\\o(te', ARRAY['red']::public.colour[]), ARRAY[ROW(NULL, NULL, NULL)::public.inner_], 'x'), ARRAY[ROW(NULL, NULL, 'x')::public.outer_, NULL], '{0,2}', 'Straße', '1 2 3', '1 2');
INSERT INTO public.edges (id, f4, f8, n, d, tsz, iv, b, x, sh, sx) VALUES (2, '1e-45', 5e-324, 0.1, '4713-01-01 BC', '2026-11-25 03:00:00.000001-05:30', '1 mon -1 day 00:00:00.000001', '\x00ff0a0d5c2e', 'just text <b/>', 'a', 'b'),
	(3, -0.0, 1.7976931348623157e308, -1e300, '-infinity', 'infinity', '178000000 years', decode(repeat('00', 70000), 'hex'), '<a/>', 'a', 'b');
ALTER TABLE public.edges DROP CONSTRAINT edges_pkey, ADD PRIMARY KEY (id) INCLUDE (sh);
CREATE UNIQUE INDEX edges_ignoring ON public.edges (ig);
