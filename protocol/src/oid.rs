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
                    0 => Some("unspecified"),
                    705 => Some("unknown"),
                    2278 => Some("void"),
                    _ => None,
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

impl Oid {
    /// No type: the server is to infer it.
    pub const UNSPECIFIED: Self = Self(0);
    /// The pseudo-type of a literal whose type is not known yet.
    pub const UNKNOWN: Self = Self(705);
    /// The result of a function that returns nothing.
    pub const VOID: Self = Self(2278);

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
    REGPROC = 24, REGPROC_ARRAY = 1008, "regproc";
    TEXT = 25, TEXT_ARRAY = 1009, "text";
    OID = 26, OID_ARRAY = 1028, "oid";
    JSON = 114, JSON_ARRAY = 199, "json";
    XML = 142, XML_ARRAY = 143, "xml";
    POINT = 600, POINT_ARRAY = 1017, "point";
    FLOAT4 = 700, FLOAT4_ARRAY = 1021, "float4";
    FLOAT8 = 701, FLOAT8_ARRAY = 1022, "float8";
    MONEY = 790, MONEY_ARRAY = 791, "money";
    MACADDR = 829, MACADDR_ARRAY = 1040, "macaddr";
    CIDR = 650, CIDR_ARRAY = 651, "cidr";
    INET = 869, INET_ARRAY = 1041, "inet";
    BPCHAR = 1042, BPCHAR_ARRAY = 1014, "char";
    VARCHAR = 1043, VARCHAR_ARRAY = 1015, "varchar";
    DATE = 1082, DATE_ARRAY = 1182, "date";
    TIME = 1083, TIME_ARRAY = 1183, "time";
    TIMESTAMP = 1114, TIMESTAMP_ARRAY = 1115, "timestamp";
    TIMESTAMPTZ = 1184, TIMESTAMPTZ_ARRAY = 1185, "timestamptz";
    INTERVAL = 1186, INTERVAL_ARRAY = 1187, "interval";
    TIMETZ = 1266, TIMETZ_ARRAY = 1270, "timetz";
    BIT = 1560, BIT_ARRAY = 1561, "bit";
    VARBIT = 1562, VARBIT_ARRAY = 1563, "varbit";
    NUMERIC = 1700, NUMERIC_ARRAY = 1231, "numeric";
    REGCLASS = 2205, REGCLASS_ARRAY = 2210, "regclass";
    REGTYPE = 2206, REGTYPE_ARRAY = 2211, "regtype";
    UUID = 2950, UUID_ARRAY = 2951, "uuid";
    JSONB = 3802, JSONB_ARRAY = 3807, "jsonb";
    XID8 = 5069, XID8_ARRAY = 271, "xid8";
    RECORD = 2249, RECORD_ARRAY = 2287, "record";
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
}
