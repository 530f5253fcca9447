import LongtakeCore
import Synchronization

/// The JSON of pipelines that were submitted lately.
///
/// A pipeline is worked out anew for each input, yet most come out alike, and encoding one takes longer than writing all of its job's rows.
final class PipelineTexts: Sendable {
    private let known = Mutex<[Pipeline: String]>([:])
    /// Above it the texts start anew. A few kilobytes each.
    private static let most = 256

    func text(of pipeline: Pipeline) throws -> String {
        if let text = known.withLock({ $0[pipeline] }) { return text }
        let text = try JSONText.encode(pipeline)
        known.withLock {
            if $0.count >= Self.most { $0.removeAll(keepingCapacity: true) }
            $0[pipeline] = text
        }
        return text
    }
}
