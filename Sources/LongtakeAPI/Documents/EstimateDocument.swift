public import LongtakeCore

/// The message `job.estimate` of a stream that asked for estimates. It has no id, so it is no
/// cursor.
public struct StreamEstimate: Codable, Hashable, Sendable, StreamMessage {
    public var job: JobID
    /// `nil` if there is no estimate any more.
    @Nullable public var etaSeconds: JobEstimate.Percentiles?
    @Nullable public var queueWaitSeconds: JobEstimate.Percentiles?

    package static let messageType = StreamMessageType.estimate

    private enum CodingKeys: String, CodingKey {
        case job
        case etaSeconds = "eta_seconds"
        case queueWaitSeconds = "queue_wait_seconds"
    }

    package init(job: JobID, _ estimate: JobEstimate?) {
        self.job = job
        _etaSeconds = Nullable(wrappedValue: estimate?.eta.rounded)
        _queueWaitSeconds = Nullable(wrappedValue: estimate?.queueWait.rounded)
    }

    package func writeMembers(into json: inout JSONWriter) {
        json.member("job", job.description)
        json.member("eta_seconds", orNull: etaSeconds)
        json.member("queue_wait_seconds", orNull: queueWaitSeconds)
    }
}

extension JobEstimate.Percentiles {
    /// In tenths of a second: more digits would pretend a precision that no estimate has.
    var rounded: Self { Self(p50: (p50 * 10).rounded() / 10, p90: (p90 * 10).rounded() / 10) }
}

extension JSONWriter {
    /// Writes `{"p50": …, "p90": …}`; `null` if there is no estimate.
    mutating func member(_ name: StaticString, orNull percentiles: JobEstimate.Percentiles?) {
        self.name(name)
        guard let percentiles else { return null() }
        beginObject()
        member("p50", percentiles.p50)
        member("p90", percentiles.p90)
        endObject()
    }
}
