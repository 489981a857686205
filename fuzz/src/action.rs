//! What the caller of a conversation does next, as one byte of a fuzz input.

/// One step of the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Two to this power of the server's next bytes come in (0 to 15).
    Feed(u8),
    /// A call begins.
    Begin,
    Parse,
    Bind,
    /// Bind and Execute of a prepared statement, in fewer steps.
    Run,
    /// The same and Sync.
    RunAlone,
    Describe,
    DescribePortal,
    Execute,
    /// Execute of a COPY for which there is data.
    ExecuteCopyIn,
    Close,
    ClosePortal,
    Flush,
    Sync,
    Query,
    /// A simple query with data for a COPY, or with a stream both ways.
    QueryCopy,
    FunctionCall,
    /// The caller gives up what it asked for so far.
    Abandon,
    /// This many sixteenths of the output, and one byte, are written to the server (0 to 15).
    Write(u8),
    /// The caller takes the oldest notice and the oldest notification.
    Take,
    CopyData,
    CopyDone,
    CopyFail,
    /// The keys of the login are derived and handed in, or handed in when nobody waits for them.
    Derive,
    Terminate,
    /// A whole call: everything that one query of the extended protocol asks for, up to its Sync.
    Series,
}

impl Action {
    /// Every byte is an action: the kind in the low half, its number in the high half.
    pub(crate) const fn from_byte(byte: u8) -> Self {
        let number = byte >> 4;
        match byte & 15 {
            0 => Self::Feed(number),
            1 => Self::Begin,
            2 => Self::Parse,
            3 if number == 1 => Self::Run,
            3 if number == 2 => Self::RunAlone,
            3 => Self::Bind,
            4 if number == 1 => Self::DescribePortal,
            4 => Self::Describe,
            5 if number == 1 => Self::ExecuteCopyIn,
            5 => Self::Execute,
            6 if number == 1 => Self::ClosePortal,
            6 => Self::Close,
            7 => Self::Flush,
            8 => Self::Sync,
            9 if number == 1 => Self::QueryCopy,
            9 if number == 2 => Self::FunctionCall,
            9 => Self::Query,
            10 => Self::Abandon,
            11 => Self::Write(number),
            12 if number == 1 => Self::CopyData,
            12 if number == 2 => Self::CopyDone,
            12 if number == 3 => Self::CopyFail,
            12 => Self::Take,
            13 => Self::Derive,
            14 => Self::Terminate,
            _ => Self::Series,
        }
    }

    /// A byte that [`Action::from_byte`] reads as this action.
    pub(crate) const fn to_byte(self) -> u8 {
        match self {
            Self::Feed(number) => number << 4,
            Self::Begin => 1,
            Self::Parse => 2,
            Self::Bind => 3,
            Self::Run => 1 << 4 | 3,
            Self::RunAlone => 2 << 4 | 3,
            Self::Describe => 4,
            Self::DescribePortal => 1 << 4 | 4,
            Self::Execute => 5,
            Self::ExecuteCopyIn => 1 << 4 | 5,
            Self::Close => 6,
            Self::ClosePortal => 1 << 4 | 6,
            Self::Flush => 7,
            Self::Sync => 8,
            Self::Query => 9,
            Self::QueryCopy => 1 << 4 | 9,
            Self::FunctionCall => 2 << 4 | 9,
            Self::Abandon => 10,
            Self::Write(number) => number << 4 | 11,
            Self::Take => 12,
            Self::CopyData => 1 << 4 | 12,
            Self::CopyDone => 2 << 4 | 12,
            Self::CopyFail => 3 << 4 | 12,
            Self::Derive => 13,
            Self::Terminate => 14,
            Self::Series => 15,
        }
    }
}
