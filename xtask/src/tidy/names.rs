//! Rule: a file is named after its subject. Names that fit anything are refused.

use super::report::Finding;
use crate::workspace::TextFile;

const REFUSED: [&str; 10] = [
    "util", "utils", "common", "helper", "helpers", "misc", "manager", "managers", "stuff",
    "types2",
];

pub(crate) fn check(files: &[TextFile]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in files {
        let refused = file.path.split('/').find(|part| {
            let stem = part.split('.').next().unwrap_or_default();
            REFUSED.contains(&stem)
        });
        if let Some(part) = refused {
            let message =
                format!("the name `{part}` tells no subject: name the file after what it holds");
            findings.push(Finding::new(&file.path, 0, message));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_without_a_subject_are_refused_as_file_and_as_folder() {
        let paths = [
            "orm/src/utils.rs",
            "tests/it/common/mod.rs",
            "pool/src/manager.rs",
            "pool/src/slots.rs",
        ];
        let files = paths.map(|path| TextFile { path: path.to_owned(), text: String::new() });
        let found: Vec<_> = check(&files).into_iter().map(|finding| finding.path).collect();
        assert_eq!(found, paths[..3]);
    }
}
