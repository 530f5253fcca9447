import Hummingbird
import LongtakeCore
import NIOHTTPTypesHTTP1

extension Problem {
    /// The one place where an error becomes a status. What has no better word is the daemon's own fault: logged in full by the caller, and
    /// told without detail.
    init(_ error: any Error) {
        switch error {
        case let problem as Problem:
            self = problem
        case let invalid as InvalidInput:
            self = .unprocessable(invalid.problems)
        case let error as JournalError:
            self = Problem(error)
        case is BackupsUnanswered:
            self = .unavailable(
                "backups-unanswered",
                "The directory of the backups does not answer, because its disk hangs; nothing was begun.")
        case let error as HTTPError where error.status == .notFound:
            self = .notFound
        case let error as HTTPError where error.status.kind == .clientError:
            self = Problem(
                kind: "bad-request", status: error.status, title: error.status.reasonPhrase, detail: error.body)
        case is HTTP1TypeConversionError:
            self = .malformedRequest
        case is CancellationError:
            self = .unavailable("canceled", "The connection was closed before there was an answer.")
        default:
            self = Problem(kind: "internal", status: .internalServerError, title: "Internal error", detail: nil)
        }
    }

    init(_ error: JournalError) {
        switch error {
        case .overloaded:
            self = .unavailable("overloaded", "Too many requests wait for the disk; nothing was accepted.")
        case .cannotRead:
            self = .unavailable("unavailable", "The database could not be read. Try again later.")
        case .cannotPersist:
            self = .unavailable("cannot-persist", "The database cannot persist at present; nothing was accepted.")
        case .outcomeUnknown:
            self = .unavailable("outcome-unknown", "The disk failed; the daemon restarts to find out what is stored.")
        case .unanswered:
            self = .unavailable(
                "outcome-unknown",
                "The disk has not answered for so long that it is not known whether this was accepted. Sending the same request again with the same Idempotency-Key is the way to find out; without a key that may submit a second job."
            )
        case .closed:
            self = .draining
        case .tooManyQueued:
            self = .tooManyQueued
        case .noSuchJob:
            self = .noSuchJob
        case .refused(.notFinal):
            self = .wrongState("Only a job that is over can be deleted; cancel it first.")
        case .refused(.notRetryable):
            self = .wrongState("Only a job that has failed or was canceled can be done again.")
        case .refused, .notOwner:
            self = .wrongState("The job is not in a state for this.")
        }
    }
}
