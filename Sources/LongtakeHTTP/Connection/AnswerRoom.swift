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
        var byAccount: [String: Int] = [:]
    }

    private let state = Mutex(State())
    private let most: Int
    private let mostOfAccount: Int

    /// - Parameters:
    ///   - most: bytes of all answers.
    ///   - mostOfAccount: bytes of those to one account.
    init(most: Int = Limits.answerBytes, mostOfAccount: Int = Limits.answerBytesPerKey) {
        self.most = most
        self.mostOfAccount = mostOfAccount
    }

    /// How much is taken.
    var bytes: Int { state.withLock { $0.bytes } }

    /// - Returns: `nil` where there is not so much left, or not for this account.
    func take(_ bytes: Int, for account: String?) -> Part? {
        let isTaken = state.withLock { state in
            let own = account.flatMap { state.byAccount[$0] } ?? 0
            guard state.bytes + bytes <= most, account == nil || own + bytes <= mostOfAccount else { return false }
            state.bytes += bytes
            if let account { state.byAccount[account] = own + bytes }
            return true
        }
        guard isTaken else { return nil }
        return Part { [weak self] in self?.giveBack(bytes, of: account) }
    }

    private func giveBack(_ bytes: Int, of account: String?) {
        state.withLock { state in
            state.bytes -= bytes
            guard let account, let own = state.byAccount[account] else { return }
            state.byAccount[account] = own > bytes ? own - bytes : nil
        }
    }
}
