//! Object identifiers of PostgreSQL's built-in types (`pg_type.dat` of the server's source).

use core::fmt;

/// An object identifier: the number by which a server knows a type, a table, a function.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(transparent)]
pub struct Oid(pub u32);

impl fmt::Display for Oid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

macro_rules! built_in {
    ($($name:ident = $oid:literal, $array:ident = $array_oid:literal, $sql:literal;)*) => {
        impl Oid {
            $(
                #[doc = concat!("The type `", $sql, "`.")]
                pub const $name: Self = Self($oid);
                #[doc = concat!("The type `", $sql, "[]`.")]
                pub const $array: Self = Self($array_oid);
            )*

            /// The name of a built-in type as SQL writes it, or `None` for a type this table does not hold.
            ///
            /// ```
            /// use stellata_protocol::Oid;
            /// assert_eq!(Oid::INT4.name(), Some("int4"));
            /// assert_eq!(Oid::TEXT_ARRAY.name(), Some("text[]"));
            /// assert_eq!(Oid(4_000_000_000).name(), None);
            /// ```
            #[must_use]
            pub const fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($oid => Some($sql), $array_oid => Some(concat!($sql, "[]")),)*
                    _ => self.name_without_array(),
                }
            }

            /// The element type of a built-in array type, or `None` for a type that is no array in this table.
            ///
            /// ```
            /// use stellata_protocol::Oid;
            /// assert_eq!(Oid::INT4_ARRAY.element(), Some(Oid::INT4));
            /// assert_eq!(Oid::INT4.element(), None);
            /// ```
            #[must_use]
            pub const fn element(self) -> Option<Self> {
                match self.0 {
                    $($array_oid => Some(Self::$name),)*
                    _ => None,
                }
            }

            /// The array type over a built-in type, or `None` for a type that is no element in this table.
            ///
            /// ```
            /// use stellata_protocol::Oid;
            /// assert_eq!(Oid::INT4.array(), Some(Oid::INT4_ARRAY));
            /// assert_eq!(Oid::INT4_ARRAY.array(), None);
            /// ```
            #[must_use]
            pub const fn array(self) -> Option<Self> {
                match self.0 {
                    $($oid => Some(Self::$array),)*
                    _ => None,
                }
            }
        }
    };
}

/// Types over which there are no arrays.
macro_rules! without_array {
    ($($name:ident = $oid:literal, $sql:literal, $what:literal;)*) => {
        impl Oid {
            $(
                #[doc = $what]
                pub const $name: Self = Self($oid);
            )*

            const fn name_without_array(self) -> Option<&'static str> {
                match self.0 {
                    $($oid => Some($sql),)*
                    _ => None,
                }
            }
        }
    };
}

impl Oid {
    /// Whether each database gives this number by itself: types that users and extensions make (`FirstNormalObjectId`
    /// of the server's source, 16384, and above).
    #[inline]
    #[must_use]
    pub const fn is_user_defined(self) -> bool {
        self.0 >= 16_384
    }
}

built_in! {
    BOOL = 16, BOOL_ARRAY = 1000, "bool";
    BYTEA = 17, BYTEA_ARRAY = 1001, "bytea";
    CHAR = 18, CHAR_ARRAY = 1002, "\"char\"";
    NAME = 19, NAME_ARRAY = 1003, "name";
    INT8 = 20, INT8_ARRAY = 1016, "int8";
    INT2 = 21, INT2_ARRAY = 1005, "int2";
    INT4 = 23, INT4_ARRAY = 1007, "int4";
    TEXT = 25, TEXT_ARRAY = 1009, "text";
    JSON = 114, JSON_ARRAY = 199, "json";
    XML = 142, XML_ARRAY = 143, "xml";
    FLOAT4 = 700, FLOAT4_ARRAY = 1021, "float4";
    FLOAT8 = 701, FLOAT8_ARRAY = 1022, "float8";
    MONEY = 790, MONEY_ARRAY = 791, "money";
    BPCHAR = 1042, BPCHAR_ARRAY = 1014, "char";
    VARCHAR = 1043, VARCHAR_ARRAY = 1015, "varchar";
    DATE = 1082, DATE_ARRAY = 1182, "date";
    TIME = 1083, TIME_ARRAY = 1183, "time";
    TIMESTAMP = 1114, TIMESTAMP_ARRAY = 1115, "timestamp";
    TIMESTAMPTZ = 1184, TIMESTAMPTZ_ARRAY = 1185, "timestamptz";
    INTERVAL = 1186, INTERVAL_ARRAY = 1187, "interval";
    TIMETZ = 1266, TIMETZ_ARRAY = 1270, "timetz";
    NUMERIC = 1700, NUMERIC_ARRAY = 1231, "numeric";
    UUID = 2950, UUID_ARRAY = 2951, "uuid";
    JSONB = 3802, JSONB_ARRAY = 3807, "jsonb";
    JSONPATH = 4072, JSONPATH_ARRAY = 4073, "jsonpath";

    CIDR = 650, CIDR_ARRAY = 651, "cidr";
    MACADDR8 = 774, MACADDR8_ARRAY = 775, "macaddr8";
    MACADDR = 829, MACADDR_ARRAY = 1040, "macaddr";
    INET = 869, INET_ARRAY = 1041, "inet";

    BIT = 1560, BIT_ARRAY = 1561, "bit";
    VARBIT = 1562, VARBIT_ARRAY = 1563, "varbit";

    POINT = 600, POINT_ARRAY = 1017, "point";
    LSEG = 601, LSEG_ARRAY = 1018, "lseg";
    PATH = 602, PATH_ARRAY = 1019, "path";
    BOX = 603, BOX_ARRAY = 1020, "box";
    POLYGON = 604, POLYGON_ARRAY = 1027, "polygon";
    LINE = 628, LINE_ARRAY = 629, "line";
    CIRCLE = 718, CIRCLE_ARRAY = 719, "circle";

    TSVECTOR = 3614, TSVECTOR_ARRAY = 3643, "tsvector";
    TSQUERY = 3615, TSQUERY_ARRAY = 3645, "tsquery";
    GTSVECTOR = 3642, GTSVECTOR_ARRAY = 3644, "gtsvector";

    INT4RANGE = 3904, INT4RANGE_ARRAY = 3905, "int4range";
    NUMRANGE = 3906, NUMRANGE_ARRAY = 3907, "numrange";
    TSRANGE = 3908, TSRANGE_ARRAY = 3909, "tsrange";
    TSTZRANGE = 3910, TSTZRANGE_ARRAY = 3911, "tstzrange";
    DATERANGE = 3912, DATERANGE_ARRAY = 3913, "daterange";
    INT8RANGE = 3926, INT8RANGE_ARRAY = 3927, "int8range";
    INT4MULTIRANGE = 4451, INT4MULTIRANGE_ARRAY = 6150, "int4multirange";
    NUMMULTIRANGE = 4532, NUMMULTIRANGE_ARRAY = 6151, "nummultirange";
    TSMULTIRANGE = 4533, TSMULTIRANGE_ARRAY = 6152, "tsmultirange";
    TSTZMULTIRANGE = 4534, TSTZMULTIRANGE_ARRAY = 6153, "tstzmultirange";
    DATEMULTIRANGE = 4535, DATEMULTIRANGE_ARRAY = 6155, "datemultirange";
    INT8MULTIRANGE = 4536, INT8MULTIRANGE_ARRAY = 6157, "int8multirange";

    OID = 26, OID_ARRAY = 1028, "oid";
    REGPROC = 24, REGPROC_ARRAY = 1008, "regproc";
    REGPROCEDURE = 2202, REGPROCEDURE_ARRAY = 2207, "regprocedure";
    REGOPER = 2203, REGOPER_ARRAY = 2208, "regoper";
    REGOPERATOR = 2204, REGOPERATOR_ARRAY = 2209, "regoperator";
    REGCLASS = 2205, REGCLASS_ARRAY = 2210, "regclass";
    REGTYPE = 2206, REGTYPE_ARRAY = 2211, "regtype";
    REGCONFIG = 3734, REGCONFIG_ARRAY = 3735, "regconfig";
    REGDICTIONARY = 3769, REGDICTIONARY_ARRAY = 3770, "regdictionary";
    REGNAMESPACE = 4089, REGNAMESPACE_ARRAY = 4090, "regnamespace";
    REGROLE = 4096, REGROLE_ARRAY = 4097, "regrole";
    REGCOLLATION = 4191, REGCOLLATION_ARRAY = 4192, "regcollation";

    INT2VECTOR = 22, INT2VECTOR_ARRAY = 1006, "int2vector";
    OIDVECTOR = 30, OIDVECTOR_ARRAY = 1013, "oidvector";
    TID = 27, TID_ARRAY = 1010, "tid";
    XID = 28, XID_ARRAY = 1011, "xid";
    CID = 29, CID_ARRAY = 1012, "cid";
    XID8 = 5069, XID8_ARRAY = 271, "xid8";
    PG_LSN = 3220, PG_LSN_ARRAY = 3221, "pg_lsn";
    PG_SNAPSHOT = 5038, PG_SNAPSHOT_ARRAY = 5039, "pg_snapshot";
    TXID_SNAPSHOT = 2970, TXID_SNAPSHOT_ARRAY = 2949, "txid_snapshot";
    REFCURSOR = 1790, REFCURSOR_ARRAY = 2201, "refcursor";
    ACLITEM = 1033, ACLITEM_ARRAY = 1034, "aclitem";
    RECORD = 2249, RECORD_ARRAY = 2287, "record";
    CSTRING = 2275, CSTRING_ARRAY = 1263, "cstring";
}

without_array! {
    UNSPECIFIED = 0, "unspecified", "No type: the server is to infer it.";
    UNKNOWN = 705, "unknown", "The pseudo-type of a literal whose type is not known yet.";
    VOID = 2278, "void", "The result of a function that returns nothing.";

    PG_NODE_TREE = 194, "pg_node_tree", "A parsed expression in a system catalogue, as text that can't be written.";
    PG_NDISTINCT = 3361, "pg_ndistinct", "Extended statistics: numbers of distinct values. Its binary form is opaque and can't be written.";
    PG_DEPENDENCIES = 3402, "pg_dependencies", "Extended statistics: functional dependencies. Its binary form is opaque and can't be written.";
    PG_MCV_LIST = 5017, "pg_mcv_list", "Extended statistics: most common values. Its binary form is opaque and can't be written.";
    PG_BRIN_BLOOM_SUMMARY = 4600, "pg_brin_bloom_summary", "A summary in a BRIN index. Its binary form is opaque and can't be written.";
    PG_BRIN_MINMAX_MULTI_SUMMARY = 4601, "pg_brin_minmax_multi_summary", "A summary in a BRIN index. Its binary form is opaque and can't be written.";

    ANY = 2276, "\"any\"", "The pseudo-type of an argument of any type.";
    ANYELEMENT = 2283, "anyelement", "The pseudo-type of any type, the same wherever it stands in a function's head.";
    ANYARRAY = 2277, "anyarray", "The pseudo-type of any array; columns of `pg_stats` have it.";
    ANYNONARRAY = 2776, "anynonarray", "The pseudo-type of any type but arrays.";
    ANYENUM = 3500, "anyenum", "The pseudo-type of any enum.";
    ANYRANGE = 3831, "anyrange", "The pseudo-type of any range.";
    ANYMULTIRANGE = 4537, "anymultirange", "The pseudo-type of any multirange.";
    ANYCOMPATIBLE = 5077, "anycompatible", "The pseudo-type of any type that others in the head can be cast to.";
    ANYCOMPATIBLEARRAY = 5078, "anycompatiblearray", "The pseudo-type of any array over `anycompatible`.";
    ANYCOMPATIBLENONARRAY = 5079, "anycompatiblenonarray", "The pseudo-type `anycompatible` without arrays.";
    ANYCOMPATIBLERANGE = 5080, "anycompatiblerange", "The pseudo-type of any range over `anycompatible`.";
    ANYCOMPATIBLEMULTIRANGE = 4538, "anycompatiblemultirange", "The pseudo-type of any multirange over `anycompatible`.";
    TRIGGER = 2279, "trigger", "The pseudo-type that a trigger function returns.";
    EVENT_TRIGGER = 3838, "event_trigger", "The pseudo-type that an event trigger function returns.";
    INTERNAL = 2281, "internal", "The pseudo-type of what only the server itself can hand to a function.";
    LANGUAGE_HANDLER = 2280, "language_handler", "The pseudo-type that a handler of a procedural language returns.";
    FDW_HANDLER = 3115, "fdw_handler", "The pseudo-type that a handler of a foreign-data wrapper returns.";
    TABLE_AM_HANDLER = 269, "table_am_handler", "The pseudo-type that a handler of a table access method returns.";
    INDEX_AM_HANDLER = 325, "index_am_handler", "The pseudo-type that a handler of an index access method returns.";
    TSM_HANDLER = 3310, "tsm_handler", "The pseudo-type that a handler of a sampling method returns.";
    PG_DDL_COMMAND = 32, "pg_ddl_command", "The pseudo-type of a command that an event trigger sees.";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrays_and_their_elements_know_each_other() {
        let mut arrays = 0;
        for oid in (0..16_384).map(Oid) {
            let Some(element) = oid.element() else { continue };
            assert_eq!(element.array(), Some(oid));
            let name = element.name().unwrap();
            assert_eq!(oid.name(), Some(format!("{name}[]").as_str()));
            arrays += 1;
        }
        assert_eq!(arrays, 78);
        assert_eq!(Oid::VOID.name(), Some("void"));
        assert_eq!((Oid::VOID.array(), Oid::VOID.element()), (None, None));
    }
}
