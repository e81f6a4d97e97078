//! Document errors. Their messages contain kinds of tokens and names, and never a value.
//!
//! The messages of the parser and the validator are used if they follow this rule. Two kinds do not: a syntax error
//! quotes the text, and an unknown enum value is text of the caller. This module words those two itself.

use apollo_compiler::Schema;
use apollo_compiler::diagnostic::ToCliReport;
use apollo_compiler::schema::ExtendedType;
use apollo_compiler::validation::{DiagnosticData, DiagnosticList};
use apollo_parser::{Lexer, TokenKind as Kind};
use async_graphql::Pos;

use super::position;
use crate::error::{ErrorCode, PublicError};

/// Why a request was not run.
#[derive(Debug)]
pub enum RequestError {
    Public(PublicError),
    /// The document is not GraphQL, or not valid against the schema.
    Document(DocumentErrors),
}

/// The errors of a document, up to a limit.
#[derive(Debug)]
pub struct DocumentErrors {
    /// The code of all of them: `GRAPHQL_PARSE_FAILED` or `GRAPHQL_VALIDATION_FAILED`.
    pub code: ErrorCode,
    shown: Vec<DocumentError>,
    /// How many errors exceed the limit.
    pub omitted: usize,
}

/// One error of a document.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DocumentError {
    pub message: String,
    pub position: Option<Pos>,
}

impl DocumentError {
    /// An error at a byte offset of the text.
    pub fn new(message: impl Into<String>, at: Option<usize>) -> Self {
        Self { message: message.into(), position: at.map(position::to_pos) }
    }
}

impl From<PublicError> for RequestError {
    fn from(failure: PublicError) -> Self {
        Self::Public(failure)
    }
}

impl RequestError {
    /// A document with one error.
    pub fn document_error(code: ErrorCode, mistake: DocumentError) -> Self {
        Self::Document(DocumentErrors { code, shown: vec![mistake], omitted: 0 })
    }

    /// Validation errors, of which the first `most` are reported.
    pub fn validation_errors(mut mistakes: Vec<DocumentError>, most: usize) -> Self {
        let left_out = mistakes.len().saturating_sub(most);
        mistakes.truncate(most);
        Self::Document(DocumentErrors { code: ErrorCode::GraphqlValidationFailed, shown: mistakes, omitted: left_out })
    }

    /// The error code.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Public(failure) => failure.code,
            Self::Document(mistakes) => mistakes.code,
        }
    }

    /// The same with lines and columns instead of offsets into the text.
    pub(super) fn with_positions(mut self, text: &str) -> Self {
        if let Self::Document(mistakes) = &mut self {
            position::locate(text, mistakes.shown.iter_mut().filter_map(|mistake| mistake.position.as_mut()));
        }
        self
    }
}

impl DocumentErrors {
    /// The reported errors.
    pub fn shown(&self) -> impl Iterator<Item = &DocumentError> {
        self.shown.iter()
    }
}

/// The error for a text that the parser rejects.
pub fn syntax_errors(errors: &DiagnosticList, text: &str) -> RequestError {
    let first = errors.iter().next();
    let at = first.as_ref().and_then(|first| first.error.location()).map(|span| span.offset());
    let expected = first.as_ref().and_then(|first| expected_token(&first.error.to_string()));
    // An error without a position concerns the whole text.
    syntax_error_at(text, at.unwrap_or(0), expected)
}

/// The error for a text that is not GraphQL: the position, what the parser expected there, and what it found.
pub fn syntax_error_at(text: &str, at: usize, expected: Option<&'static str>) -> RequestError {
    let message = match (expected, found_token(text, at)) {
        (Some(expected), found) if expected != found => {
            format!("The document is not GraphQL: expected {expected}, found {found}")
        }
        (_, found) => format!("The document is not GraphQL: unexpected {found}"),
    };
    // The message contains the position as well, because clients show the message, and not all show `locations`.
    let mut pos = position::to_pos(at);
    position::locate(text, std::iter::once(&mut pos));
    let message = format!("{message} at line {}, column {}.", pos.line, pos.column);
    RequestError::document_error(ErrorCode::GraphqlParseFailed, DocumentError { message, position: Some(pos) })
}

/// What the parser expected, in fixed words. The parser's messages are fixed except for a quoted token, which is text
/// of the caller.
fn expected_token(message: &str) -> Option<&'static str> {
    let message = message.strip_prefix("syntax error: ").unwrap_or(message);
    let wanted = message.strip_prefix("expected ")?;
    let wanted = wanted.split_once(", got ").map_or(wanted, |(wanted, _)| wanted);
    const WORDS: &[(&str, &str)] = &[
        ("R_CURLY", "`}`"),
        ("L_CURLY", "`{`"),
        ("R_PAREN", "`)`"),
        ("L_PAREN", "`(`"),
        ("R_BRACK", "`]`"),
        ("L_BRACK", "`[`"),
        ("COLON", "`:`"),
        ("DOLLAR", "`$`"),
        ("AT", "`@`"),
        ("BANG", "`!`"),
        ("EQ", "`=`"),
        ("SPREAD", "`...`"),
        ("@ symbol", "`@`"),
        ("a Name in Type Condition", "the name of a type"),
        ("a Name", "a name"),
        ("a name", "a name"),
        ("Name to start with", "a name"),
        ("an Argument", "an argument"),
        ("a valid Value", "a value"),
        ("a Value", "a value"),
        ("value", "a value"),
        ("a type", "a type"),
        ("a Type", "a type"),
        ("item type", "a type"),
        ("Type Condition", "`on` and the name of a type"),
        ("'on'", "`on`"),
        ("Fragment Name", "the name of a fragment"),
        ("a Selection Set", "a selection in `{ }`"),
        ("Selection Set", "a selection in `{ }`"),
        ("at least one Selection", "a field"),
        ("an Inline Fragment", "a fragment"),
        ("an Operation Type", "`query`, `mutation`, `fragment` or `{`"),
        ("either a 'mutation'", "`query` or `mutation`"),
        ("a StringValue, Name", "`query`, `mutation`, `fragment` or `{`"),
        ("a definition", "`query`, `mutation`, `fragment` or `{`"),
        ("definition", "`query`, `mutation`, `fragment` or `{`"),
        ("a Variable", "a variable"),
        ("Enum Value", "a value"),
    ];
    WORDS.iter().find(|(theirs, _)| wanted.starts_with(theirs)).map(|(_, ours)| *ours)
}

/// The kind of the token at an offset.
fn found_token(text: &str, at: usize) -> &'static str {
    let Some(rest) = text.get(at..) else { return "the end of the document" };
    let token = Lexer::new(rest).find(|token| {
        token.as_ref().map_or(true, |token| !matches!(token.kind(), Kind::Whitespace | Kind::Comment | Kind::Comma))
    });
    let Some(Ok(token)) = token else {
        return if rest.trim().is_empty() { "the end of the document" } else { "characters that form no token" };
    };
    match token.kind() {
        Kind::Eof => "the end of the document",
        Kind::Name => "a name",
        Kind::StringValue => "a string",
        Kind::Int | Kind::Float => "a number",
        Kind::Bang => "`!`",
        Kind::Dollar => "`$`",
        Kind::Amp => "`&`",
        Kind::Spread => "`...`",
        Kind::Colon => "`:`",
        Kind::Eq => "`=`",
        Kind::At => "`@`",
        Kind::LParen => "`(`",
        Kind::RParen => "`)`",
        Kind::LBracket => "`[`",
        Kind::RBracket => "`]`",
        Kind::LCurly => "`{`",
        Kind::RCurly => "`}`",
        Kind::Pipe => "`|`",
        Kind::Comma | Kind::Whitespace | Kind::Comment => "white space",
    }
}

/// The error for a document that the validator rejects. `suggest` is the schema if messages may contain names that the
/// caller did not write, otherwise `None`.
pub fn from_validator(errors: &DiagnosticList, suggest: Option<&Schema>, most: usize) -> RequestError {
    let told = errors.iter().take(most).map(|diagnostic| {
        let at = diagnostic.error.location().map(|span| span.offset());
        DocumentError::new(as_sentence(&reword(diagnostic.error, suggest)), at)
    });
    let told: Vec<DocumentError> = told.collect();
    let left_out = errors.len() - told.len();
    RequestError::Document(DocumentErrors { code: ErrorCode::GraphqlValidationFailed, shown: told, omitted: left_out })
}

fn reword(error: &DiagnosticData, suggest: Option<&Schema>) -> String {
    let message = error.to_string();
    match error.unstable_error_name() {
        // The validator's message quotes the value.
        Some("UndefinedEnumValue") => {
            let ty = message.rsplit('`').nth(1).unwrap_or_default();
            match suggest.and_then(|schema| schema.get_enum(ty)) {
                Some(values) => format!("value of `{ty}` must be one of {}", input_values(values)),
                None => "the value must be one of those that the type has".to_owned(),
            }
        }
        // These messages contain names that the caller did not write.
        Some("RequiredArgument") if suggest.is_none() => "a required argument is not provided".to_owned(),
        Some("RequiredField") if suggest.is_none() => "a required field of an input object is not provided".to_owned(),
        Some("DisallowedVariableUsage") if suggest.is_none() => {
            let variable = message.split('`').nth(1).unwrap_or_default();
            format!("variable `{variable}` does not fit there by its type")
        }
        Some("UnsupportedValueType") if suggest.is_none() => {
            let found = message.rsplit_once(", found ").map_or("another", |(_, found)| found);
            format!("the value is not of the expected type, found {found}")
        }
        Some("UndefinedDefinition" | "UndefinedDirective") => message.replace(" in this document", " in the schema"),
        _ => match suggest.and_then(|schema| nearest_name(schema, &message)) {
            Some(name) => format!("{message}. Did you mean `{name}`?"),
            None => message,
        },
    }
}

/// The values of an enum that a caller may send, for a message.
pub fn input_values(values: &apollo_compiler::schema::EnumType) -> String {
    let words = values.values.keys().map(|value| value.as_str()).filter(|word| *word != OUTPUT_ONLY);
    words.collect::<Vec<_>>().join(", ")
}

/// The enum value for words that the upstream may add later. It occurs in responses only.
const OUTPUT_ONLY: &str = "UNRECOGNIZED";

/// The existing name that is most similar to the unknown name in a message. The message quotes the unknown name and
/// its type.
fn nearest_name<'a>(schema: &'a Schema, message: &str) -> Option<&'a str> {
    let mut quoted = message.split('`').skip(1).step_by(2);
    let (first, second) = (quoted.next()?, quoted.next()?);
    let (place, wrong) = if message.starts_with("type ") { (first, second) } else { (second, first) };
    if !["does not have a field", "does not exist on", "is not supported by"].iter().any(|says| message.contains(says))
    {
        return None;
    }
    let (ty, field) = place.split_once('.').map_or((place, None), |(ty, field)| (ty, Some(field)));
    let names: Vec<&str> = match (schema.types.get(ty)?, field) {
        (ExtendedType::Object(ty), None) => ty.fields.keys().map(|name| name.as_str()).collect(),
        (ExtendedType::Interface(ty), None) => ty.fields.keys().map(|name| name.as_str()).collect(),
        (ExtendedType::InputObject(ty), None) => ty.fields.keys().map(|name| name.as_str()).collect(),
        (ExtendedType::Object(ty), Some(field)) => {
            ty.fields.get(field)?.arguments.iter().map(|argument| argument.name.as_str()).collect()
        }
        _ => return None,
    };
    let distance = |name: &str| strsim::damerau_levenshtein(&name.to_lowercase(), &wrong.to_lowercase());
    let near = names.into_iter().map(|name| (distance(name), name)).min()?;
    (near.0 <= wrong.chars().count().div_ceil(2)).then_some(near.1)
}

/// Converts a message to a sentence.
fn as_sentence(message: &str) -> String {
    let mut characters = message.chars();
    let first = characters.next().map(|first| first.to_ascii_uppercase());
    let end = if message.ends_with(['.', '?', '!']) { "" } else { "." };
    first.into_iter().chain(characters).chain(end.chars()).collect()
}
