//! Reads and checks the settings. It finds all problems before it reports any.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;

use super::error::Error;
use super::settings::Settings;
use super::sources::{self, EffectiveSetting, Sources};

impl Settings {
    /// The settings in force: defaults, then the file, then the environment of this process.
    ///
    /// # Errors
    /// Every invalid setting, variable and file.
    pub fn load(file: Option<&Path>) -> Result<Self, Error> {
        Self::examine(file).usable()
    }

    /// The settings in force, as far as they can be read, with all problems.
    pub fn examine(file: Option<&Path>) -> Examined {
        let variables = sources::check_variables(std::env::vars_os()).err();
        match Sources::read(file, sources::environment_of_process()) {
            Ok(sources) => Self::examine_sources(&sources, variables),
            Err(problem) => Examined {
                settings: None,
                problems: Error::flatten(variables.into_iter().chain([problem]).collect()),
                in_force: Vec::new(),
                known: Known::default(),
            },
        }
    }

    /// Every setting in force as text, without secrets, and its source.
    ///
    /// # Errors
    /// As of [`Settings::load`].
    pub fn effective(file: Option<&Path>) -> Result<Vec<EffectiveSetting>, Error> {
        let sources = Sources::read(file, sources::environment_of_process())?;
        Self::from_sources(&sources)?;
        Ok(sources.effective())
    }

    /// The address of the admin server. It ignores problems of other settings.
    ///
    /// # Errors
    /// The file cannot be read, or the address is invalid.
    pub fn admin_listen(file: Option<&Path>) -> Result<SocketAddr, Error> {
        Sources::read(file, sources::environment_of_process())?.setting("server.admin_listen")
    }

    pub(super) fn from_sources(sources: &Sources) -> Result<Self, Error> {
        Self::examine_sources(sources, None).usable()
    }

    fn examine_sources(sources: &Sources, variables: Option<Error>) -> Examined {
        let (settings, problems) = sources.settings::<Self>();
        let mut problems = Error::flatten(variables.into_iter().chain(problems).collect());
        let Some(mut settings) = settings else {
            return Examined { settings: None, problems, in_force: Vec::new(), known: Known::default() };
        };
        problems.extend(settings.read_secrets().err());
        problems = Error::flatten(problems);
        let known = Known::of(sources, &problems);
        // Invalid settings have their defaults here. Checks of defaults would report a second problem for the same setting.
        problems.extend(settings.check(&|name| known.has(name)).err());
        Examined { settings: Some(settings), problems: Error::flatten(problems), in_force: sources.effective(), known }
    }
}

/// Settings, with all problems.
#[derive(Debug)]
pub struct Examined {
    /// Invalid settings have their defaults. `None` if the settings cannot be read at all.
    pub settings: Option<Settings>,
    pub problems: Vec<Error>,
    /// Every setting as text, without secrets, and its source.
    pub in_force: Vec<EffectiveSetting>,
    /// The settings that have the value that the operator set.
    known: Known,
}

impl Examined {
    /// Whether a setting has the value that the operator set, and no problem.
    pub fn is_good(&self, name: &str) -> bool {
        self.known.has(name) && !self.problems.iter().any(|problem| problem.setting() == Some(name))
    }

    /// The settings.
    ///
    /// # Errors
    /// All problems.
    pub fn usable(self) -> Result<Settings, Error> {
        Error::from_problems(self.problems)?;
        self.settings.ok_or_else(|| Error::Unreadable("there are no defaults".to_owned()))
    }
}

/// The settings that have the value that the operator set, and not a default instead of an invalid value.
#[derive(Debug, Default)]
struct Known {
    names: BTreeSet<String>,
}

impl Known {
    fn of(sources: &Sources, problems: &[Error]) -> Self {
        let mut names = sources.names().filter(|name| sources.says(name)).map(str::to_owned).collect::<BTreeSet<_>>();
        for name in problems.iter().filter_map(Error::setting) {
            // A secret is unknown if its file cannot be read.
            names.remove(name);
            names.remove(name.trim_end_matches("_file"));
        }
        Self { names }
    }

    /// Whether a setting has the value that the operator set.
    fn has(&self, name: &str) -> bool {
        self.names.contains(name)
    }
}
