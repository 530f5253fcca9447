/// Who answers for a stream, and by what it was opened: the hub knows both by their names only.
public struct StreamOwner: Hashable, Sendable {
    /// Streams of one account are counted together, such as those of a key and of its tickets; `nil` for nobody's.
    public var account: String?
    /// What signed the ticket that the stream was opened with; `nil` where there was none.
    public var signer: String?
    /// How long it is let in from now on; `nil` for as long as it likes.
    public var lasting: Duration?

    public init(account: String? = nil, signer: String? = nil, lasting: Duration? = nil) {
        self.account = account
        self.signer = signer
        self.lasting = lasting
    }
}
