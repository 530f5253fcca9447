/// When a job will end, and when a worker will take its stage, in seconds from now.
public struct JobEstimate: Hashable, Sendable, Codable {
    /// Until the end of the job.
    public var eta: Percentiles
    /// Until a worker claims the stage that waits; 0 if a worker has it.
    public var queueWait: Percentiles

    /// The value that the actual one is about as often below as above, and the value that it is
    /// below in nine of ten cases.
    public struct Percentiles: Hashable, Sendable, Codable {
        /// 0 or more.
        public var p50: Double
        /// ``p50`` or more.
        public var p90: Double

        public init(p50: Double, p90: Double) {
            self.p50 = max(0, p50)
            self.p90 = max(self.p50, p90)
        }

        public static let zero = Percentiles(p50: 0, p90: 0)
    }

    public init(eta: Percentiles, queueWait: Percentiles) {
        self.eta = eta
        self.queueWait = queueWait
    }

    enum CodingKeys: String, CodingKey {
        case eta = "eta_seconds"
        case queueWait = "queue_wait_seconds"
    }
}
