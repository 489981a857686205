//! Bytes that every type is given: long, empty inside, deep, of many parts.

/// The values.
pub(crate) fn values() -> Vec<Vec<u8>> {
    const LONG: usize = 64 * 1024;
    let array = |element: u32, count: u32, body: &[u8]| {
        let head = [1, 0, element, count, 1].map(u32::to_be_bytes).concat();
        [&head, body].concat()
    };
    let nulls = vec![0xff; LONG];
    let empties = vec![0; LONG];
    let count = u32::try_from(LONG / 4).unwrap();
    // A tsquery that is nothing but negations, and a term at its end; and one that never gets there.
    let negations = [&b"\0\x01\x86\xa1"[..], &b"\x02\x01".repeat(100_000), b"\x01\0\0a\0"].concat();
    let endless = [&b"\0\x01\x86\xa0"[..], &b"\x02\x01".repeat(100_000)].concat();
    let declared = |head: &[u8]| [head, &empties].concat();
    let mut values = vec![
        negations,
        endless,
        // Counts of points, transactions, words, bits and ranges that never come, and as many as come.
        declared(b"\x7f\xff\xff\xff"),
        declared(b"\x01\x7f\xff\xff\xff"),
        declared(&[b"\0\0\x0f\xff", &[0_u8; 12][..]].concat()),
        declared(b"\0\0\x0f\xff"),
        declared(b"\x01\0\0\x0f\xff"),
        declared(b"\0\x07\xff\xf8"),
        Vec::new(),
        empties.clone(),
        nulls.clone(),
        vec![b'['; LONG],
        [&[1], &vec![b'['; LONG][..]].concat(),
        [&b"\x01["[..], &b"[],".repeat(LONG / 3), b"0]"].concat(),
        [&b"\x01["[..], &b"{\"\":0},".repeat(LONG / 7), b"0]"].concat(),
        [&b"\x01\""[..], &b"\\u0001".repeat(LONG / 6), b"\""].concat(),
        [&b"\x01"[..], &vec![b'9'; LONG]].concat(),
        // A number of as many digits as can be declared, of the largest weight.
        [&[0x7f, 0xff, 0x7f, 0xff, 0, 0, 0x3f, 0xff][..], &b"\x27\x0f".repeat(0x7fff)].concat(),
    ];
    let parts = |count: usize, head: &[&[u8]], part: &[u8]| {
        let count = u32::try_from(count).unwrap().to_be_bytes();
        [&head.concat(), &count[..], &part.repeat(LONG / part.len())].concat()
    };
    values.extend([
        // An array of six dimensions that is as deep as it is long.
        {
            let lengths = [1, 1, 1, 1, 1, count].map(|length| [length, 1].map(u32::to_be_bytes));
            let head = [6, 0, 23].map(u32::to_be_bytes).concat();
            [head, lengths.as_flattened().concat(), nulls.clone()].concat()
        },
        // As many ranges, pairs, fields, places and transactions as bytes allow.
        parts(LONG / 5, &[], b"\0\0\0\x01\x01"),
        parts(LONG / 8, &[], b"\0\0\0\0\xff\xff\xff\xff"),
        parts(LONG / 8, &[], b"\0\0\0\x17\xff\xff\xff\xff"),
        parts(LONG / 8, &[b"\x7f\xff\xff\xff"], b"\0\0\0\0\0\0\0\0"),
        parts(LONG / 8, &[], b"\0\0\0\0\0\0\0\x01"),
        // The same with a count of two bytes, and words of no position.
        [&b"\x3e\x80\0\0"[..], &empties[..64_000]].concat(),
        parts(LONG / 3, &[], b"a\0\0"),
    ]);
    for element in [16, 17, 18, 20, 21, 23, 25, 26, 700, 701, 1042, 1082, 1083, 1114, 1184] {
        values.push(array(element, count, &nulls));
        values.push(array(element, count, &empties));
        values.push(array(element, u32::MAX >> 1, &empties));
    }
    for element in [1700, 2950, 3802] {
        values.push(array(element, count, &nulls));
        values.push(array(element, count, &empties));
    }
    values
}
