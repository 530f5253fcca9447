import ArgumentParser
import Glibc

/// `longtake-bench bare-sender`, which `fanout --peer nio` starts.
struct BareSenderCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bare-sender", abstract: "Writes sample events to whoever connects.", shouldDisplay: false)

    @Option(help: "Events a second.")
    var rate: Double
    @Option(help: "Bytes of each event's message.")
    var messageBytes: Int

    func validate() throws {
        guard rate > 0, rate.isFinite else { throw ValidationError("--rate is above 0") }
    }

    func run() async throws {
        try await BareSender(rate: rate, sample: SampleEvent(messageBytes: messageBytes)).serve { port in
            _ = "ready \(port)\n".withCString { write(STDOUT_FILENO, $0, strlen($0)) }
        }
    }
}
