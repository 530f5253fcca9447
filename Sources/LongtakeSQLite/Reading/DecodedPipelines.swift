import LongtakeCore
import Synchronization

/// The pipelines that were read lately, by the text that is stored for them.
///
/// Most jobs have one of a few texts, and to decode one takes longer than to read all of its job's rows: clients that list jobs would take the
/// processor from the writer.
final class DecodedPipelines: Sendable {
    private struct State {
        var known: [String: Pipeline] = [:]
        var bytes = 0
    }

    private let state = Mutex(State())
    /// Above it all start anew. A text has 200 bytes to 20 KB, and its pipeline some times as many.
    private let mostBytes: Int

    init(mostBytes: Int = 256 * 1024) { self.mostBytes = mostBytes }

    /// Bytes of the texts that are known.
    var bytes: Int { state.withLock { $0.bytes } }

    func pipeline(_ text: String) throws -> Pipeline {
        if let known = state.withLock({ $0.known[text] }) { return known }
        let pipeline = try JSONText.decode(Pipeline.self, from: text)
        let size = text.utf8.count
        state.withLock { state in
            if state.bytes + size > mostBytes { state = State() }
            // Another reader may have been faster.
            if size <= mostBytes, state.known.updateValue(pipeline, forKey: text) == nil { state.bytes += size }
        }
        return pipeline
    }
}
