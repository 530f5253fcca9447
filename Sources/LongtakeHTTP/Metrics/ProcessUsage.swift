public import LongtakeCore

/// What the process takes of its machine. `nil` for what the system does not tell.
public struct ProcessUsage: Sendable {
    public var startedAt: Timestamp?
    /// Of all threads, in the kernel and outside.
    public var cpuSeconds: Double?
    public var residentBytes: Int?
    public var openDescriptors: Int?
    /// How many descriptors may be open.
    public var mostDescriptors: Int?

    public init(
        startedAt: Timestamp? = nil, cpuSeconds: Double? = nil, residentBytes: Int? = nil, openDescriptors: Int? = nil,
        mostDescriptors: Int? = nil
    ) {
        self.startedAt = startedAt
        self.cpuSeconds = cpuSeconds
        self.residentBytes = residentBytes
        self.openDescriptors = openDescriptors
        self.mostDescriptors = mostDescriptors
    }
}
