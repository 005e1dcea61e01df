//! The instruction set that the fused operations use.
//!
//! By default it is the widest that the machine has. The environment variable `FASTERSAM_SIMD` (`portable`,
//! `avx2` or `avx512`), read once, sets another for the whole process, and
//! [`with_level`](crate::level::with_level) for one call: both are there so that tests reach every path on one
//! machine.

use std::fmt;
use std::sync::OnceLock;

/// The environment variable.
pub const VARIABLE: &str = "FASTERSAM_SIMD";

/// An instruction set that this machine has: there is no other way to get one than through [`Level::parse`],
/// [`current`](crate::level::current) and [`levels`](crate::level::levels), which look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Level(Kind);

/// The instruction sets, narrowest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// What every processor of the target has: SSE2, or NEON.
    Portable,
    /// AVX2 with FMA.
    Avx2,
    /// AVX-512F.
    Avx512,
}

/// Why there is no such [`Level`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LevelError {
    /// No level has this name.
    #[error("there is no instruction set `{name}`; expected `portable`, `avx2` or `avx512`")]
    Unknown {
        /// What was asked for.
        name: String,
    },
    /// The machine lacks it.
    #[error("this machine has no `{name}`; it has {found}")]
    Missing {
        /// What was asked for.
        name: &'static str,
        /// What there is, for people to read.
        found: String,
    },
}

impl Kind {
    const ALL: [Self; 3] = [Self::Portable, Self::Avx2, Self::Avx512];

    fn name(self) -> &'static str {
        match self {
            Self::Portable => "portable",
            Self::Avx2 => "avx2",
            Self::Avx512 => "avx512",
        }
    }

    fn is_available(self) -> bool {
        match self {
            Self::Portable => true,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma"),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => is_x86_feature_detected!("avx512f"),
            #[cfg(not(target_arch = "x86_64"))]
            Self::Avx2 | Self::Avx512 => false,
        }
    }
}

impl Level {
    /// The level of a name.
    ///
    /// # Errors
    /// Where there is no such level, or not on this machine.
    pub fn parse(name: &str) -> Result<Self, LevelError> {
        let Some(kind) = Kind::ALL.into_iter().find(|kind| kind.name() == name) else {
            return Err(LevelError::Unknown { name: name.to_owned() });
        };
        if kind.is_available() {
            return Ok(Self(kind));
        }
        let found: Vec<String> = detected().map(|level| format!("`{level}`")).collect();
        Err(LevelError::Missing { name: kind.name(), found: found.join(", ") })
    }

    pub(crate) fn kind(self) -> Kind {
        self.0
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.name())
    }
}

/// What the machine has, narrowest first.
pub(crate) fn detected() -> impl Iterator<Item = Level> {
    Kind::ALL.into_iter().filter(|kind| kind.is_available()).map(Level)
}

/// What the environment variable asks for.
///
/// # Panics
/// Where that is no instruction set of this machine.
pub(crate) fn from_environment() -> Option<Level> {
    static ASKED_FOR: OnceLock<Option<Level>> = OnceLock::new();
    *ASKED_FOR.get_or_init(|| {
        let name = std::env::var_os(VARIABLE).filter(|name| !name.is_empty())?;
        match Level::parse(&name.to_string_lossy()) {
            Ok(level) => Some(level),
            Err(error) => panic!("{VARIABLE}: {error}"),
        }
    })
}

/// The widest of the machine.
pub(crate) fn widest() -> Level {
    static WIDEST: OnceLock<Level> = OnceLock::new();
    *WIDEST.get_or_init(|| detected().last().unwrap_or(Level(Kind::Portable)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_parsed_and_others_refused() {
        let all: Vec<Level> = detected().collect();
        for level in &all {
            assert_eq!(Level::parse(&level.to_string()), Ok(*level));
        }
        assert_eq!(all.last().copied(), Some(widest()));
        let message = |name: &str| Level::parse(name).map_err(|error| error.to_string());
        assert_eq!(
            message("sse"),
            Err("there is no instruction set `sse`; expected `portable`, `avx2` or `avx512`".to_owned())
        );
        if all.len() < Kind::ALL.len() {
            let found: Vec<String> = all.iter().map(|level| format!("`{level}`")).collect();
            let expected = format!("this machine has no `avx512`; it has {}", found.join(", "));
            assert_eq!(message("avx512"), Err(expected));
        }
    }
}
