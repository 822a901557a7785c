// The gRPC peer's load generator: a closed loop of checks on one channel, on one thread, answers verified.
//
//   grpc-client HOST:PORT [--recipients N] [--batch N] [--packed] [--in-flight N] [--duration SECONDS]
//               [--warm-up SECONDS] [--hit-ratio R] [--server-pid PID]
//
// Prints one JSON document with the keys of consent-load's reports. Requests are made before the clock starts, as
// consent-load's are. Invariant: a slot has one call under way from the start of the run to its end.

#include <google/protobuf/arena.h>
#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "check.grpc.pb.h"
#include "measure.h"
#include "population.h"

namespace {

using bench::Key;
using Clock = std::chrono::steady_clock;
using consent::bench::Consents;

struct Options {
  std::string address;
  uint64_t recipients = 1'000'000;
  int batch = 1;
  bool packed = false;
  int inFlight = 50;
  double duration = 10, warmUp = 2, hitRatio = 0.9;
  int serverPid = 0;
};

/// Subjects of the questions: number << 1 | 1 for a miss. Purposes go by the question.
struct Questions {
  std::vector<uint64_t> subjects;
  uint64_t recipients;

  Questions(const Options& options, size_t items) : recipients(options.recipients) {
    subjects.reserve(items);
    for (size_t item = 0; item < items; item++) {
      const uint64_t bits = bench::mix(0x7175657374 + item);
      const bool isHit = double(bits >> 40) / double(1 << 24) < options.hitRatio;
      subjects.push_back(bench::mix(bits) % recipients << 1 | (isHit ? 0 : 1));
    }
  }

  Key key(size_t item) const {
    const uint64_t number = subjects[item] >> 1;
    return bench::keyOf(subjects[item] & 1 ? recipients + number : number);
  }

  uint8_t reason(size_t item, uint32_t purpose) const {
    return subjects[item] & 1 ? bench::kNoRecord : bench::reasonOf(subjects[item] >> 1, purpose);
  }
};

uint32_t purposeOf(size_t question) { return 1 + question % bench::kPurposes; }

std::string bytes(Key key) { return std::string(reinterpret_cast<const char*>(&key), sizeof key); }

struct Single {
  using Request = consent::bench::CheckRequest;
  using Response = consent::bench::CheckResponse;

  static auto prepare(Consents::Stub& stub, grpc::ClientContext* context, const Request& request,
                      grpc::CompletionQueue* queue) {
    return stub.PrepareAsyncCheck(context, request, queue);
  }
  static void fill(Request* request, const Questions& questions, size_t question, const Options&) {
    request->set_controller(1000);
    request->set_channel(1);
    request->set_purpose(purposeOf(question));
    request->set_key(bytes(questions.key(question)));
  }
  static int wrong(const Response& response, const Questions& questions, size_t question, int) {
    const uint8_t reason = questions.reason(question, purposeOf(question));
    return response.reason() == reason && response.allow() == (reason < 16) ? 0 : 1;
  }
};

struct Batch {
  using Request = consent::bench::CheckBatchRequest;
  using Response = consent::bench::CheckBatchResponse;

  static auto prepare(Consents::Stub& stub, grpc::ClientContext* context, const Request& request,
                      grpc::CompletionQueue* queue) {
    return stub.PrepareAsyncCheckBatch(context, request, queue);
  }
  static void fill(Request* request, const Questions& questions, size_t question, const Options& options) {
    request->set_controller(1000);
    request->set_channel(1);
    request->set_purpose(purposeOf(question));
    for (size_t item = question * options.batch; item < (question + 1) * options.batch; item++) {
      if (options.packed) {
        request->mutable_packed_keys()->append(bytes(questions.key(item)));
      } else {
        request->add_keys(bytes(questions.key(item)));
      }
    }
  }
  static int wrong(const Response& response, const Questions& questions, size_t question, int batch) {
    if (response.reasons_size() != batch) return batch;
    int wrong = 0;
    for (int n = 0; n < batch; n++) {
      wrong += response.reasons(n) != questions.reason(question * batch + n, purposeOf(question));
    }
    return wrong;
  }
};

template <typename Kind>
class Run {
 public:
  Run(const Options& options, std::shared_ptr<grpc::Channel> channel)
      : options_(options),
        stub_(channel),
        requestCount_(std::max<size_t>(options.inFlight, kItems / options.batch)),
        questions_(options, requestCount_ * options.batch) {
    for (size_t question = 0; question < requestCount_; question++) {
      requests_.push_back(google::protobuf::Arena::CreateMessage<typename Kind::Request>(&requestArena_));
      Kind::fill(requests_.back(), questions_, question, options_);
    }
    service_.reserve(4'000'000);
  }

  bench::Figures measure() {
    for (int n = 0; n < options_.inFlight; n++) slots_.push_back(std::make_unique<Slot>());
    for (auto& slot : slots_) start(*slot);
    drive(options_.warmUp);
    service_.clear();
    figures_ = {};
    const bench::Meter before(options_.address, options_.serverPid);
    figures_.seconds = drive(options_.duration);
    figures_.add(before, bench::Meter(options_.address, options_.serverPid));
    void* tag;
    bool ok;
    for (int left = options_.inFlight; left > 0 && queue_.Next(&tag, &ok); left--) {
    }
    figures_.latencyNanoseconds = std::move(service_);
    return figures_;
  }

 private:
  struct Slot {
    // Made anew for each call, as gRPC wants; the response's memory is reused.
    std::optional<grpc::ClientContext> context;
    std::unique_ptr<grpc::ClientAsyncResponseReader<typename Kind::Response>> reader;
    google::protobuf::Arena arena;
    typename Kind::Response* response = google::protobuf::Arena::CreateMessage<typename Kind::Response>(&arena);
    grpc::Status status;
    size_t question = 0;
    Clock::time_point sent;
  };

  void start(Slot& slot) {
    slot.question = next_;
    if (++next_ == requestCount_) next_ = 0;
    slot.reader.reset();
    slot.context.emplace();
    slot.sent = Clock::now();
    slot.reader = Kind::prepare(stub_, &*slot.context, *requests_[slot.question], &queue_);
    slot.reader->StartCall();
    slot.reader->Finish(slot.response, &slot.status, &slot);
  }

  /// Runs the loop for so many seconds; returns how long it was.
  double drive(double seconds) {
    const auto begin = Clock::now();
    const auto end = begin + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
    for (auto now = begin; now < end;) {
      void* tag;
      bool ok;
      if (!queue_.Next(&tag, &ok)) break;
      Slot& slot = *static_cast<Slot*>(tag);
      now = Clock::now();
      service_.push_back(uint32_t(std::chrono::nanoseconds(now - slot.sent).count()));
      figures_.requests++;
      if (ok && slot.status.ok()) {
        figures_.checks += options_.batch;
        figures_.wrong += Kind::wrong(*slot.response, questions_, slot.question, options_.batch);
      } else {
        figures_.errors++;
      }
      start(slot);
    }
    return std::chrono::duration<double>(Clock::now() - begin).count();
  }

  static constexpr size_t kItems = 1 << 20;

  const Options options_;
  Consents::Stub stub_;
  grpc::CompletionQueue queue_;
  const size_t requestCount_;
  const Questions questions_;
  google::protobuf::Arena requestArena_;
  std::vector<typename Kind::Request*> requests_;
  std::vector<std::unique_ptr<Slot>> slots_;
  std::vector<uint32_t> service_;
  bench::Figures figures_;
  size_t next_ = 0;
};

Options parse(int argc, char** argv) {
  Options options;
  for (int n = 1; n < argc; n++) {
    const std::string name = argv[n];
    if (name == "--packed") {
      options.packed = true;
      continue;
    }
    if (name.rfind("--", 0) != 0) {
      options.address = name;
      continue;
    }
    const char* value = n + 1 < argc ? argv[++n] : "";
    if (name == "--recipients") {
      options.recipients = std::strtoull(value, nullptr, 10);
    } else if (name == "--batch") {
      options.batch = std::atoi(value);
    } else if (name == "--in-flight") {
      options.inFlight = std::atoi(value);
    } else if (name == "--duration") {
      options.duration = std::atof(value);
    } else if (name == "--warm-up") {
      options.warmUp = std::atof(value);
    } else if (name == "--hit-ratio") {
      options.hitRatio = std::atof(value);
    } else if (name == "--server-pid") {
      options.serverPid = std::atoi(value);
    } else {
      std::fprintf(stderr, "error: %s is no option\n", name.c_str());
      std::exit(64);
    }
  }
  if (options.address.empty() || options.recipients == 0 || options.batch < 1 || options.inFlight < 1) {
    std::fprintf(stderr, "usage: grpc-client HOST:PORT [--recipients N] [--batch N] [--packed] [--in-flight N] …\n");
    std::exit(64);
  }
  return options;
}

}  // namespace

int main(int argc, char** argv) {
  const Options options = parse(argc, argv);
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(16 << 20);
  // The client must not be the slower side: it goes without what it does not need.
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  arguments.SetInt(GRPC_ARG_MINIMAL_STACK, 1);
  auto channel = grpc::CreateCustomChannel(options.address, grpc::InsecureChannelCredentials(), arguments);
  if (!channel->WaitForConnected(std::chrono::system_clock::now() + std::chrono::seconds(5))) {
    std::fprintf(stderr, "error: no gRPC server answers at %s\n", options.address.c_str());
    return 69;
  }
  const bench::Figures figures =
      options.batch == 1 ? Run<Single>(options, channel).measure() : Run<Batch>(options, channel).measure();
  figures.print(options.inFlight, options.batch);
  return figures.wrong || figures.errors ? 1 : 0;
}
