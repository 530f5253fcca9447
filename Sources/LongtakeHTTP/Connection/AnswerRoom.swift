import LongtakeCore
import Synchronization

/// What all answers that clients have not taken yet may hold in memory: who asks and does not read is to take nobody else's.
final class AnswerRoom: Sendable {
    /// A part of it, which is given back when the last who knows it lets go.
    final class Part: Sendable {
        private let letGo: @Sendable () -> Void

        fileprivate init(letGo: @escaping @Sendable () -> Void) { self.letGo = letGo }

        deinit { letGo() }
    }

    private struct State {
        var bytes = 0
        /// `nil` is who has none.
        var byAccount: [String?: Int] = [:]
    }

    private let state = Mutex(State())
    private let most: Int
    private let mostOfAccount: Int
    private let mostOfNobody: Int

    /// - Parameters:
    ///   - most: bytes of all answers.
    ///   - mostOfAccount: bytes of those to one account.
    ///   - mostOfNobody: bytes of those to all who have none.
    init(most: Int = Limits.answerBytes, mostOfAccount: Int = Limits.answerBytesPerKey, mostOfNobody: Int) {
        self.most = most
        self.mostOfAccount = mostOfAccount
        self.mostOfNobody = mostOfNobody
    }

    /// How much is taken.
    var bytes: Int { state.withLock { $0.bytes } }

    /// - Parameter mayRefuse: whether the answer may be given up; that of a request which has changed something may not.
    /// - Returns: `nil` for a small answer, which the kernel takes at once.
    /// - Throws: ``Problem`` with 503 where there is not so much left, or not for this account.
    func take(_ bytes: Int, for account: String?, mayRefuse: Bool) throws(Problem) -> Part? {
        guard bytes > Limits.answerPiece else { return nil }
        let isTaken = state.withLock { state in
            let own = state.byAccount[account, default: 0]
            let isRoom = state.bytes + bytes <= most && own + bytes <= (account == nil ? mostOfNobody : mostOfAccount)
            guard isRoom || !mayRefuse else { return false }
            state.bytes += bytes
            state.byAccount[account] = own + bytes
            return true
        }
        guard isTaken else { throw .tooMuchUnread }
        return Part { [weak self] in self?.giveBack(bytes, of: account) }
    }

    private func giveBack(_ bytes: Int, of account: String?) {
        state.withLock { state in
            state.bytes -= bytes
            let left = state.byAccount[account, default: bytes] - bytes
            state.byAccount[account] = left > 0 ? left : nil
        }
    }
}
