//! Problems of settings. All are reported at once, each with the name of its setting.

/// Invalid settings. The text names each setting and says what to do.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    #[error("the settings cannot be read: {0}")]
    Unreadable(String),
    #[error("unknown setting {name} ({origin}){suggestion} config/default.toml has all settings")]
    Unknown {
        name: String,
        origin: String,
        suggestion: String,
        /// The setting with the nearest name.
        meant: Option<String>,
    },
    #[error("setting {name} ({origin}): {problem}")]
    Invalid { name: String, origin: String, problem: String },
    #[error("{} problems with the settings:{}", .0.len(), one_per_line(.0))]
    Several(Vec<Self>),
}

/// One line for each problem.
fn one_per_line(problems: &[Error]) -> String {
    problems.iter().map(|problem| format!("\n  {problem}")).collect()
}

/// The prefix of environment variables that hold settings.
pub const PREFIX: &str = "GATEWAY";

/// The environment variable of a setting.
pub fn variable(name: &str) -> String {
    format!("{PREFIX}__{}", name.replace('.', "__").to_ascii_uppercase())
}

impl Error {
    /// A setting whose value is invalid. `problem` says what to do.
    pub fn invalid(name: &str, problem: &str) -> Self {
        Self::Invalid { name: name.to_owned(), origin: variable(name), problem: problem.to_owned() }
    }

    /// `Ok` without problems, a single problem as it is, or several in one error.
    pub fn from_problems(problems: Vec<Self>) -> Result<(), Self> {
        let mut problems = Self::flatten(problems);
        match problems.len() {
            0 => Ok(()),
            1 => problems.pop().map_or(Ok(()), Err),
            _ => Err(Self::Several(problems)),
        }
    }

    /// The problems, with those of each `Several` as separate items.
    pub fn flatten(problems: Vec<Self>) -> Vec<Self> {
        let each = |problem| match problem {
            Self::Several(problems) => problems,
            problem => vec![problem],
        };
        problems.into_iter().flat_map(each).collect()
    }

    /// The setting of the problem. For an unknown setting, the setting with the nearest name.
    pub fn setting(&self) -> Option<&str> {
        match self {
            Self::Invalid { name, .. } => Some(name),
            Self::Unknown { name, meant, .. } => Some(meant.as_ref().unwrap_or(name)),
            Self::Unreadable(_) | Self::Several(_) => None,
        }
    }
}

/// Collects problems.
#[derive(Debug, Default)]
pub struct Problems(Vec<Error>);

impl Problems {
    /// Adds a problem.
    pub fn add(&mut self, problem: Error) {
        self.0.push(problem);
    }

    /// The valid value. `None` after an error, which is added.
    pub fn ok_or_record<T>(&mut self, checked: Result<T, Error>) -> Option<T> {
        checked.map_err(|problem| self.add(problem)).ok()
    }

    /// `Ok` without problems.
    pub fn finish(self) -> Result<(), Error> {
        Error::from_problems(self.0)
    }

    /// The value, or else all problems. `None` without a problem is an error as well.
    pub fn end_with<T>(self, value: Option<T>) -> Result<T, Error> {
        self.finish()?;
        value.ok_or_else(|| Error::Unreadable("a setting has no value".to_owned()))
    }

    /// Removes the problems of settings that do not match.
    pub fn retain(&mut self, fits: impl Fn(&str) -> bool) {
        let problems = Error::flatten(std::mem::take(&mut self.0));
        self.0 = problems.into_iter().filter(|problem| problem.setting().is_none_or(&fits)).collect();
    }
}
