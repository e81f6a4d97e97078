//! What is wrong with settings: all of it at once, each with the setting's name.

/// Settings that cannot be used. The text names each and says what to do.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    #[error("the settings cannot be read: {0}")]
    Unreadable(String),
    #[error("unknown setting {name} ({origin}){suggestion} config/default.toml has all there are")]
    Unknown {
        name: String,
        origin: String,
        suggestion: String,
        /// The setting that was most likely meant.
        meant: Option<String>,
    },
    #[error("setting {name} ({origin}): {problem}")]
    Invalid { name: String, origin: String, problem: String },
    #[error("{} problems with the settings:{}", .0.len(), one_per_line(.0))]
    Several(Vec<Self>),
}

/// One line for each, under a heading.
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

    /// One problem as it is, several with a line for each; none where there is none.
    pub fn from_problems(problems: Vec<Self>) -> Result<(), Self> {
        let mut problems = Self::flatten(problems);
        match problems.len() {
            0 => Ok(()),
            1 => problems.pop().map_or(Ok(()), Err),
            _ => Err(Self::Several(problems)),
        }
    }

    /// Each problem for itself.
    pub fn flatten(problems: Vec<Self>) -> Vec<Self> {
        let each = |problem| match problem {
            Self::Several(problems) => problems,
            problem => vec![problem],
        };
        problems.into_iter().flat_map(each).collect()
    }

    /// The setting that it is about; of a misspelled one, the setting that was meant.
    pub fn setting(&self) -> Option<&str> {
        match self {
            Self::Invalid { name, .. } => Some(name),
            Self::Unknown { name, meant, .. } => Some(meant.as_ref().unwrap_or(name)),
            Self::Unreadable(_) | Self::Several(_) => None,
        }
    }
}

/// Problems as they are found.
#[derive(Debug, Default)]
pub struct Problems(Vec<Error>);

impl Problems {
    /// Notes one.
    pub fn add(&mut self, problem: Error) {
        self.0.push(problem);
    }

    /// What was found good; else its problem is noted.
    pub fn ok_or_record<T>(&mut self, checked: Result<T, Error>) -> Option<T> {
        checked.map_err(|problem| self.add(problem)).ok()
    }

    /// All of them.
    pub fn finish(self) -> Result<(), Error> {
        Error::from_problems(self.0)
    }

    /// What was checked; else all problems. Without a value there has to be a problem that says why.
    pub fn end_with<T>(self, value: Option<T>) -> Result<T, Error> {
        self.finish()?;
        value.ok_or_else(|| Error::Unreadable("a setting has no value".to_owned()))
    }

    /// Leaves out those that are about settings which do not fit.
    pub fn retain(&mut self, fits: impl Fn(&str) -> bool) {
        let problems = Error::flatten(std::mem::take(&mut self.0));
        self.0 = problems.into_iter().filter(|problem| problem.setting().is_none_or(&fits)).collect();
    }
}
