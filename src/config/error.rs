//! What is wrong with settings: all of it at once, each with the setting's name.

/// Settings that cannot be used. The text names each and says what to do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the settings cannot be read: {0}")]
    Unreadable(String),
    #[error("unknown setting {name} ({origin}){suggestion} config/default.toml has all there are")]
    Unknown { name: String, origin: String, suggestion: String },
    #[error("setting {name} ({origin}): {problem}")]
    Unusable { name: String, origin: String, problem: String },
    #[error("{} problems with the settings:{}", .0.len(), lines(.0))]
    Several(Vec<Self>),
}

/// One line for each, under a heading.
fn lines(problems: &[Error]) -> String {
    problems.iter().map(|problem| format!("\n  {problem}")).collect()
}

impl Error {
    /// One problem as it is, several with a line for each; none where there is none.
    pub fn of(problems: Vec<Self>) -> Result<(), Self> {
        let mut problems = Self::flat(problems);
        match problems.len() {
            0 => Ok(()),
            1 => problems.pop().map_or(Ok(()), Err),
            _ => Err(Self::Several(problems)),
        }
    }

    /// Each problem for itself.
    pub fn flat(problems: Vec<Self>) -> Vec<Self> {
        let each = |problem| match problem {
            Self::Several(problems) => problems,
            problem => vec![problem],
        };
        problems.into_iter().flat_map(each).collect()
    }

    /// The setting that it is about.
    pub fn setting(&self) -> Option<&str> {
        match self {
            Self::Unusable { name, .. } | Self::Unknown { name, .. } => Some(name),
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
    pub fn take<T>(&mut self, checked: Result<T, Error>) -> Option<T> {
        checked.map_err(|problem| self.add(problem)).ok()
    }

    /// All of them.
    pub fn end(self) -> Result<(), Error> {
        Error::of(self.0)
    }
}
