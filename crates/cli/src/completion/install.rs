//! The lines in a shell's start-up file that make it ask this program.

use std::path::{Path, PathBuf};

use crate::data::reason;
use crate::environment::Environment;

/// What one shell needs.
struct Shell {
    /// Its start-up file below the home directory, or a file of its own for this program.
    file: PathBuf,
    /// What has to stand in it.
    lines: Vec<String>,
    /// Whether the file belongs to this program alone.
    own: bool,
}

/// The shells this home directory has start-up files for.
fn shells(home: &Path, program: &str, path: &str) -> Vec<Shell> {
    let mut found = Vec::new();
    let bash = [".bashrc", ".bash_profile", ".bash_login", ".profile"];
    if let Some(file) = bash.iter().map(|name| home.join(name)).find(|file| file.is_file()) {
        found.push(Shell { file, lines: vec![format!("complete -C {path} {program}")], own: false });
    }
    let zsh = home.join(".zshrc");
    if zsh.is_file() {
        let lines = vec![
            "autoload -U +X bashcompinit && bashcompinit".to_owned(),
            format!("complete -o nospace -C {path} {program}"),
        ];
        found.push(Shell { file: zsh, lines, own: false });
    }
    let fish = home.join(".config/fish");
    if fish.is_dir() {
        let function = format!("__complete_{}", program.replace(|c: char| !c.is_ascii_alphanumeric(), "_"));
        let lines = vec![
            format!("function {function}"),
            "    set -lx COMP_LINE (commandline -cp)".to_owned(),
            "    test -z (commandline -ct); and set COMP_LINE \"$COMP_LINE \"".to_owned(),
            format!("    {path}"),
            "end".to_owned(),
            format!("complete -f -c {program} -a \"({function})\""),
        ];
        found.push(Shell { file: fish.join(format!("completions/{program}.fish")), lines, own: true });
    }
    found
}

fn found(env: &Environment, program: &str) -> Result<Vec<Shell>, String> {
    let home = env.home().ok_or("no home directory: set HOME")?;
    let path = std::env::current_exe().map_err(|error| format!("this program's own path: {error}"))?;
    let shells = shells(&home, program, &path.display().to_string());
    if shells.is_empty() {
        return Err("Did not find any shells to install: no start-up file of bash, zsh or fish".to_owned());
    }
    Ok(shells)
}

/// Adds what is missing; returns the files that were changed.
///
/// # Errors
/// No shell, a file that cannot be written, or nothing to do.
pub fn install(env: &Environment, program: &str) -> Result<Vec<PathBuf>, String> {
    let mut changed = Vec::new();
    for shell in found(env, program)? {
        let old = read(&shell)?;
        let missing: Vec<&str> = shell.lines.iter().map(String::as_str).filter(|line| !has(&old, line)).collect();
        if missing.is_empty() {
            continue;
        }
        let gap = if old.is_empty() || old.ends_with('\n') { "" } else { "\n" };
        write(&shell.file, &format!("{old}{gap}{}\n", missing.join("\n")))?;
        changed.push(shell.file);
    }
    if changed.is_empty() { Err("completion is installed already".to_owned()) } else { Ok(changed) }
}

/// Takes away what [`install`] added; returns the files that were changed.
///
/// # Errors
/// As for [`install`].
pub fn uninstall(env: &Environment, program: &str) -> Result<Vec<PathBuf>, String> {
    let mut changed = Vec::new();
    for shell in found(env, program)? {
        let old = read(&shell)?;
        // bashcompinit may serve other programs too; it does no harm.
        let ours = |line: &str| line.contains(&format!(" {program}")) && shell.lines.iter().any(|own| own == line);
        if shell.own && shell.file.is_file() {
            std::fs::remove_file(&shell.file).map_err(|error| failed(&shell.file, &error))?;
        } else if old.lines().any(ours) {
            let kept: Vec<&str> = old.lines().filter(|line| !ours(line)).collect();
            write(&shell.file, &format!("{}\n", kept.join("\n")))?;
        } else {
            continue;
        }
        changed.push(shell.file);
    }
    if changed.is_empty() { Err("completion is not installed".to_owned()) } else { Ok(changed) }
}

fn has(text: &str, line: &str) -> bool {
    text.lines().any(|known| known == line)
}

fn failed(path: &Path, error: &std::io::Error) -> String {
    format!("{}: {}", path.display(), reason(error))
}

fn read(shell: &Shell) -> Result<String, String> {
    match std::fs::read_to_string(&shell.file) {
        Ok(text) => Ok(text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(String::new()),
        Err(error) => Err(failed(&shell.file, &error)),
    }
}

/// Replaces a file in one step, so that a crash cannot cost a person's start-up file.
fn write(path: &Path, text: &str) -> Result<(), String> {
    if let Some(directory) = path.parent() {
        std::fs::create_dir_all(directory).map_err(|error| failed(directory, &error))?;
    }
    // A start-up file is often a link into a directory that is under version control.
    let target = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let mut beside = target.clone().into_os_string();
    beside.push(format!(".{:08x}", rand::random::<u32>()));
    let beside = PathBuf::from(beside);
    let replace = || -> std::io::Result<()> {
        std::fs::write(&beside, text)?;
        if let Ok(metadata) = std::fs::metadata(&target) {
            std::fs::set_permissions(&beside, metadata.permissions())?;
        }
        std::fs::rename(&beside, &target)
    };
    replace().map_err(|error| {
        // The first error is the one to report.
        let _ = std::fs::remove_file(&beside);
        failed(path, &error)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn installing_twice_adds_once_and_uninstalling_leaves_the_rest() {
        let home = tempfile::tempdir().unwrap();
        let bashrc = home.path().join(".bashrc");
        std::fs::write(&bashrc, "alias ll='ls -l'").unwrap();
        std::fs::create_dir_all(home.path().join(".config/fish")).unwrap();
        let env = Environment::from_pairs([("HOME", home.path().display().to_string())]);
        assert_eq!(install(&env, "lessor").unwrap().len(), 2);
        assert!(install(&env, "lessor").unwrap_err().contains("already"));
        let text = std::fs::read_to_string(&bashrc).unwrap();
        assert!(text.starts_with("alias ll='ls -l'\ncomplete -C "), "{text}");
        assert!(home.path().join(".config/fish/completions/lessor.fish").is_file());
        assert_eq!(uninstall(&env, "lessor").unwrap().len(), 2);
        assert_eq!(std::fs::read_to_string(&bashrc).unwrap(), "alias ll='ls -l'\n");
        assert!(uninstall(&env, "lessor").is_err());
    }

    #[test]
    fn a_home_without_shells_is_told_so() {
        let home = tempfile::tempdir().unwrap();
        let env = Environment::from_pairs([("HOME", home.path().display().to_string())]);
        assert!(install(&env, "lessor").unwrap_err().contains("Did not find any shells"));
    }
}
