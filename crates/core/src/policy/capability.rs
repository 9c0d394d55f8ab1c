//! The words of a policy's `capabilities`, as a set.
use lessor_engine::Operation;

/// One capability. `Deny` takes all others away.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Capability {
    /// Writes to what is not there yet.
    Create,
    /// DELETE.
    Delete,
    /// Nothing at all.
    Deny,
    /// LIST.
    List,
    /// PATCH.
    Patch,
    /// GET.
    Read,
    /// Vault's recovery of single secrets out of a snapshot; granted, and never asked for here.
    Recover,
    /// OpenBao's recursive LIST.
    Scan,
    /// Vault's event streams; granted, and never asked for here.
    Subscribe,
    /// What paths that are protected ask for besides.
    Sudo,
    /// Writes.
    Update,
}

impl Capability {
    /// All of them, in the order they are shown.
    pub const ALL: [Self; 11] = [
        Self::Create,
        Self::Delete,
        Self::Deny,
        Self::List,
        Self::Patch,
        Self::Read,
        Self::Recover,
        Self::Scan,
        Self::Subscribe,
        Self::Sudo,
        Self::Update,
    ];
    /// The word of policies and answers.
    pub fn word(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Delete => "delete",
            Self::Deny => "deny",
            Self::List => "list",
            Self::Patch => "patch",
            Self::Read => "read",
            Self::Recover => "recover",
            Self::Scan => "scan",
            Self::Subscribe => "subscribe",
            Self::Sudo => "sudo",
            Self::Update => "update",
        }
    }
    /// Reads the word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|capability| capability.word() == word)
    }
}

impl From<Operation> for Capability {
    fn from(operation: Operation) -> Self {
        match operation {
            Operation::Read => Self::Read,
            Operation::Create => Self::Create,
            Operation::Update => Self::Update,
            Operation::Patch => Self::Patch,
            Operation::Delete => Self::Delete,
            Operation::List => Self::List,
            Operation::Scan => Self::Scan,
        }
    }
}

/// A set of capabilities.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Capabilities(u16);

impl Capabilities {
    /// Nothing.
    pub const NONE: Self = Self(0);
    /// `deny` alone.
    pub const DENY: Self = Self(1 << Capability::Deny as u16);

    /// Adds one.
    #[must_use]
    pub fn with(self, capability: Capability) -> Self {
        Self(self.0 | 1 << capability as u16)
    }
    /// Both sets together.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
    /// Whether it is in the set.
    pub fn has(self, capability: Capability) -> bool {
        self.0 & (1 << capability as u16) != 0
    }
    /// Whether `deny` is in the set.
    pub fn is_denied(self) -> bool {
        self.has(Capability::Deny)
    }
    /// Whether it grants anything.
    pub fn grants(self) -> bool {
        self.0 != 0 && !self.is_denied()
    }
    /// As answers show it: sorted words, `deny` alone where nothing is granted.
    pub fn words(self) -> Vec<&'static str> {
        if !self.grants() {
            return vec![Capability::Deny.word()];
        }
        Capability::ALL.into_iter().filter(|capability| self.has(*capability)).map(Capability::word).collect()
    }
}

impl FromIterator<Capability> for Capabilities {
    /// `deny` erases all others.
    fn from_iter<T: IntoIterator<Item = Capability>>(capabilities: T) -> Self {
        let all = capabilities.into_iter().fold(Self::NONE, Self::with);
        if all.is_denied() { Self::DENY } else { all }
    }
}
