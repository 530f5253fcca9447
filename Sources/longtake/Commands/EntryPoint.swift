import Dispatch
import Glibc
import LongtakeCommands

/// Where the process begins, on its only thread.
@main
enum EntryPoint {
    static func main() {
        let arguments = CommandLine.arguments
        // A supervisor must start fast and have one thread. So neither the parser nor a task comes
        // first.
        if arguments.count == 3, arguments[1] == "supervise" { exit(Supervisor.run(nonce: arguments[2])) }
        // The first process of a container gets all orphans, and the kernel ignores its signals.
        if arguments.count > 1, arguments[1] == "serve", getpid() == 1 { exit(ReapingParent.run()) }
        // Unstructured, because there is no task yet. It is what an asynchronous `main` would do.
        Task {
            await Longtake.main()
            exit(0)
        }
        dispatchMain()
    }
}
