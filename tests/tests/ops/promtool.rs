use std::path::{Path, PathBuf};
use std::process::Command;

/// The `promtool` that `cargo xtask setup` brings.
pub(crate) struct Promtool(PathBuf);

// === impl Promtool ===

impl Promtool {
    /// The program of the variable `PROMTOOL`, else where the setup puts it, else in the path.
    pub(crate) fn find() -> Self {
        let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.tools/promtool/promtool");
        let unpacked = || tools.is_file().then_some(tools);
        let program = std::env::var_os("PROMTOOL").map(PathBuf::from);
        Self(program.or_else(unpacked).unwrap_or("promtool".into()))
    }

    /// What it says, as an error if it is not content.
    pub(crate) fn run<'a>(
        &self,
        arguments: impl IntoIterator<Item = &'a str>,
        files: &[&Path],
    ) -> Result<(), String> {
        let program = self.0.display();
        let output = Command::new(&self.0).args(arguments).args(files).output();
        let output = match output {
            Ok(output) => output,
            // Without it nothing here is known: that is a failure, not a test less.
            Err(error) => panic!("{program} does not start ({error}): run `cargo xtask setup`"),
        };
        let said = [output.stdout, output.stderr].concat();
        match output.status.success() {
            true => Ok(()),
            false => Err(String::from_utf8_lossy(&said).into_owned()),
        }
    }
}
