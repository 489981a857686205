//! Rule: no file names a folder of the machine it was written on.

use super::report::Finding;
use crate::workspace::TextFile;

/// Spelled in two halves, so that this file obeys its own rule.
const FOLDERS: [[&str; 2]; 3] = [["/ro", "ot/"], ["/ho", "me/"], ["/wo", "rk/"]];

pub(crate) fn check(files: &[TextFile]) -> Vec<Finding> {
    let folders = FOLDERS.map(|halves| halves.concat());
    let mut findings = Vec::new();
    for file in files {
        for (index, line) in file.text.lines().enumerate() {
            for folder in &folders {
                if names(line, folder) {
                    let message = format!("`{folder}` is a path of one machine");
                    findings.push(Finding::new(&file.path, index + 1, message));
                }
            }
        }
    }
    findings
}

/// True when the folder stands at the root, not below another one.
fn names(line: &str, folder: &str) -> bool {
    line.match_indices(folder).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '}' | ')'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_from_the_root_are_found() {
        let folder = FOLDERS[2].concat();
        let text = format!(
            "see {folder}notes\n\"{folder}\"\nmy{folder}x\n$HOME{folder}x\n../a{folder}b\n"
        );
        let files = [TextFile { path: "a.md".to_owned(), text }];
        let lines: Vec<_> = check(&files).iter().map(|finding| finding.line).collect();
        assert_eq!(lines, [1, 2]);
    }
}
