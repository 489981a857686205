//! What can be told of a type from its name in SQL.

/// The constant of the type in the model layer's `Oid`, for built-in types whose parameters are safely sent as that
/// type. Others (`char(n)`, `citext`, enums) are for the server to infer.
pub(crate) fn oid_constant(sql_type: &str) -> Option<&'static str> {
    let lower = sql_type.trim().to_ascii_lowercase();
    let (element, array) = match lower.strip_suffix("[]") {
        Some(element) => (element.trim_end(), true),
        None => (lower.as_str(), false),
    };
    let [scalar, array_of] = match without_modifier(element).as_str() {
        "bool" | "boolean" => ["BOOL", "BOOL_ARRAY"],
        "bytea" => ["BYTEA", "BYTEA_ARRAY"],
        "int2" | "smallint" => ["INT2", "INT2_ARRAY"],
        "int4" | "int" | "integer" => ["INT4", "INT4_ARRAY"],
        "int8" | "bigint" => ["INT8", "INT8_ARRAY"],
        "float4" | "real" => ["FLOAT4", "FLOAT4_ARRAY"],
        "float8" | "double precision" => ["FLOAT8", "FLOAT8_ARRAY"],
        "numeric" | "decimal" => ["NUMERIC", "NUMERIC_ARRAY"],
        "text" => ["TEXT", "TEXT_ARRAY"],
        "varchar" | "character varying" => ["VARCHAR", "VARCHAR_ARRAY"],
        "uuid" => ["UUID", "UUID_ARRAY"],
        "date" => ["DATE", "DATE_ARRAY"],
        "time" | "time without time zone" => ["TIME", "TIME_ARRAY"],
        "timestamp" | "timestamp without time zone" => ["TIMESTAMP", "TIMESTAMP_ARRAY"],
        "timestamptz" | "timestamp with time zone" => ["TIMESTAMPTZ", "TIMESTAMPTZ_ARRAY"],
        "interval" => ["INTERVAL", "INTERVAL_ARRAY"],
        "json" => ["JSON", "JSON_ARRAY"],
        "jsonb" => ["JSONB", "JSONB_ARRAY"],
        "inet" => ["INET", "INET_ARRAY"],
        "cidr" => ["CIDR", "CIDR_ARRAY"],
        "macaddr" => ["MACADDR", "MACADDR_ARRAY"],
        "money" => ["MONEY", "MONEY_ARRAY"],
        "oid" => ["OID", "OID_ARRAY"],
        "xml" => ["XML", "XML_ARRAY"],
        _ => return None,
    };
    Some(if array { array_of } else { scalar })
}

/// `numeric(10,2)` as `numeric`, `time(3) with time zone` as `time with time zone`, with single spaces.
fn without_modifier(name: &str) -> String {
    let plain = match (name.find('('), name.rfind(')')) {
        (Some(open), Some(close)) if open < close => {
            format!("{} {}", &name[..open], &name[close + 1..])
        }
        _ => name.to_owned(),
    };
    plain.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::oid_constant;

    #[test]
    fn built_in_types_are_known_with_and_without_modifier() {
        for (sql, expected) in [
            ("numeric(10,2)", Some("NUMERIC")),
            ("Numeric", Some("NUMERIC")),
            ("timestamp (3) with time zone", Some("TIMESTAMPTZ")),
            ("varchar(20)[]", Some("VARCHAR_ARRAY")),
            ("double  precision", Some("FLOAT8")),
            ("char(3)", None),
            ("citext", None),
            ("mood", None),
            (")(", None),
        ] {
            assert_eq!(oid_constant(sql), expected, "{sql}");
        }
    }
}
