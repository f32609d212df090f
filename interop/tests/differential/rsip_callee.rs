//! rsipstack as the callee: a stack that others wrote and that carriers have met. It behaves in one
//! way for all its calls, and tells what it made of them.

use interop::patience::wait_for;
use rsipstack::dialog::authenticate::verify_digest;
use rsipstack::dialog::dialog::{DialogState, DialogStateReceiver, DialogStateSender};
use rsipstack::dialog::dialog_layer::DialogLayer;
use rsipstack::dialog::invite_dialog::InviteDialog;
use rsipstack::platform::CancellationToken;
use rsipstack::sip::prelude::HeadersExt;
use rsipstack::sip::typed::Authorization;
use rsipstack::sip::{Header, Method, SipMessage, StatusCode};
use rsipstack::transaction::TransactionReceiver;
use rsipstack::transaction::transaction::Transaction;
use rsipstack::transport::TransportLayer;
use rsipstack::transport::udp::UdpConnection;
use rsipstack::{EndpointBuilder, Result};
use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::sleep;

/// How long it rings, and how long it talks where it hangs up.
const A_WHILE: Duration = Duration::from_millis(100);
pub const USER: &str = "callfold";
pub const PASSWORD: &str = "callfold";

/// What it does with a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Behaviour {
    /// 180, then 200.
    Answer,
    /// 200 without ringing.
    AnswerAtOnce,
    /// 180, then 200 without SDP.
    AnswerWithoutSdp,
    /// 183 with SDP, then 200.
    Early,
    /// Reliable 183 with SDP (100rel); 200 after its PRACK.
    Reliable,
    /// This final, at once.
    Refuse(u16),
    /// 180, then this final.
    RingAndRefuse(u16),
    /// 180, until the CANCEL.
    RingForEver,
    /// 180; 200 to the INVITE when the CANCEL comes.
    Cross,
    /// Answers, and hangs up with a Reason.
    HangUp,
    /// Answers, holds and resumes by re-INVITE, hangs up.
    Hold,
    /// Answers, presses 5 and # by INFO, asks for OPTIONS, hangs up.
    Press,
    /// 401, and verifies what comes then.
    Challenge,
}

/// A callee that runs. Stops when it is dropped.
pub struct RsipCallee {
    pub address: SocketAddr,
    /// What became of dialogs and transactions, in its own words.
    told: Arc<Mutex<Vec<String>>>,
    stop: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

impl RsipCallee {
    pub fn start(behaviour: Behaviour) -> Self {
        let (stop, told) = (CancellationToken::new(), Arc::new(Mutex::new(Vec::new())));
        let (ready, started): (Sender<SocketAddr>, Receiver<SocketAddr>) = channel();
        let thread = {
            let (stop, told) = (stop.clone(), told.clone());
            std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()
                    .expect("a runtime");
                runtime.block_on(async {
                    run(behaviour, &stop, &told, ready).await.expect("rsipstack runs");
                });
            })
        };
        let address = wait_for(|| started.try_recv().ok()).expect("rsipstack starts");
        Self { address, told, stop, thread: Some(thread) }
    }

    /// What it tells, as soon as that is so much: our node is idle before rsipstack has told the last
    /// of it. Less when it tells no more in time.
    pub fn tells(&self, count: usize) -> Vec<String> {
        let told = || self.told.lock().expect("nobody panicked").clone();
        wait_for(|| Some(told()).filter(|told| told.len() >= count)).unwrap_or_else(told)
    }
}

impl Drop for RsipCallee {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Everything that a call needs of the callee.
#[derive(Clone)]
struct Callee {
    behaviour: Behaviour,
    layer: Arc<DialogLayer>,
    states: DialogStateSender,
    told: Arc<Mutex<Vec<String>>>,
    pracked: Arc<Notify>,
    contact: String,
}

async fn run(
    behaviour: Behaviour,
    stop: &CancellationToken,
    told: &Arc<Mutex<Vec<String>>>,
    ready: Sender<SocketAddr>,
) -> Result<()> {
    let transports = TransportLayer::new(stop.child_token());
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let udp = UdpConnection::create_connection(any, None, Some(stop.child_token())).await?;
    let address = udp.get_addr().get_socketaddr()?;
    transports.add_transport(udp.into());
    let endpoint = EndpointBuilder::new()
        .with_transport_layer(transports)
        .with_cancel_token(stop.child_token())
        .build();
    let incoming = endpoint.incoming_transactions()?;
    let layer = Arc::new(DialogLayer::new(endpoint.inner.clone()));
    let (states, changes) = layer.new_dialog_state_channel();
    let callee = Callee {
        behaviour,
        layer,
        states,
        told: told.clone(),
        pracked: Arc::default(),
        contact: format!("<sip:callee@{address}>"),
    };
    let _ = ready.send(address);
    tokio::select! {
        _ = endpoint.serve() => {}
        () = callee.clone().watch(changes) => {}
        () = callee.take_all(incoming) => {}
        () = stop.cancelled() => {}
    }
    Ok(())
}

impl Callee {
    fn tell(&self, what: impl Into<String>) {
        self.told.lock().expect("nobody panicked").push(what.into());
    }

    /// Answers what rsipstack asks its owner, and keeps how dialogs ended.
    async fn watch(self, mut changes: DialogStateReceiver) {
        while let Some(change) = changes.recv().await {
            match change {
                DialogState::Terminated(_, why) => self.tell(format!("{why:?}")),
                DialogState::Updated(.., handle) | DialogState::Options(.., handle) => {
                    handle.reply(StatusCode::OK).await.ok();
                }
                _ => {}
            }
        }
    }

    async fn take_all(self, mut incoming: TransactionReceiver) {
        while let Some(mut transaction) = incoming.recv().await {
            let method = transaction.original.method;
            let inside = transaction
                .original
                .to_header()
                .is_ok_and(|to| to.tag().is_ok_and(|tag| tag.is_some()));
            if method == Method::PRack {
                self.pracked.notify_one();
            }
            let callee = self.clone();
            let dialog = self.layer.match_dialog(&transaction).filter(|_| inside);
            tokio::spawn(async move {
                match (method, dialog) {
                    (_, Some(mut dialog)) => {
                        let _ = dialog.handle(&mut transaction).await;
                    }
                    (Method::Invite, None) if !inside => callee.invited(transaction).await,
                    (Method::Ack, None) => {}
                    (_, None) => {
                        callee.tell(format!("{method} outside a dialog"));
                        let _ = transaction.reply(StatusCode::OK).await;
                    }
                }
            });
        }
    }

    async fn invited(self, mut transaction: Transaction) {
        match self.behaviour {
            Behaviour::Cross => return self.cross(transaction).await,
            Behaviour::Challenge if !self.knows(&transaction) => {
                return self.challenge(transaction).await;
            }
            _ => {}
        }
        let contact = self.contact.trim_matches(['<', '>']).to_owned();
        let contact = rsipstack::sip::Uri::try_from(contact.as_str()).expect("a URI");
        let dialog = self.layer.get_or_create_server_invite(
            &transaction,
            self.states.clone(),
            None,
            Some(contact),
        );
        let mut dialog = dialog.expect("a dialog of an INVITE");
        let (callee, acting) = (self.clone(), dialog.clone());
        tokio::spawn(async move {
            if let Err(error) = callee.act(acting).await {
                callee.tell(format!("{error}"));
            }
        });
        if let Err(error) = dialog.handle(&mut transaction).await {
            self.tell(format!("{error}"));
        }
    }

    async fn act(&self, dialog: InviteDialog) -> Result<()> {
        match self.behaviour {
            Behaviour::Refuse(status) => return dialog.reject(Some(status.into()), None),
            Behaviour::AnswerAtOnce => {}
            Behaviour::Early => dialog.ringing(sdp_headers(), sdp("sendrecv", 1))?,
            Behaviour::Reliable => {
                let mut headers = sdp_headers().unwrap_or_default();
                headers.push(Header::Other("Require".into(), "100rel".into()));
                headers.push(Header::Other("RSeq".into(), "77".into()));
                dialog.ringing(Some(headers), sdp("sendrecv", 1))?;
                self.pracked.notified().await;
            }
            _ => dialog.ringing(None, None)?,
        }
        if self.behaviour != Behaviour::AnswerAtOnce {
            sleep(A_WHILE).await;
        }
        match self.behaviour {
            Behaviour::RingForEver => return Ok(()),
            Behaviour::RingAndRefuse(status) => return dialog.reject(Some(status.into()), None),
            Behaviour::AnswerWithoutSdp => dialog.accept(None, None)?,
            _ => dialog.accept(sdp_headers(), sdp("sendrecv", 1))?,
        }
        self.talk(&dialog).await
    }

    async fn talk(&self, dialog: &InviteDialog) -> Result<()> {
        let hangs_up =
            matches!(self.behaviour, Behaviour::HangUp | Behaviour::Hold | Behaviour::Press);
        if !hangs_up {
            return Ok(());
        }
        while !matches!(dialog.state(), DialogState::Confirmed(..)) {
            sleep(Duration::from_millis(2)).await;
        }
        sleep(A_WHILE).await;
        if self.behaviour == Behaviour::Hold {
            self.reinvite(dialog, "sendonly", 2).await?;
            sleep(A_WHILE).await;
            self.reinvite(dialog, "sendrecv", 3).await?;
        }
        if self.behaviour == Behaviour::Press {
            for digit in ["Signal=5\r\nDuration=160\r\n", "Signal=#\r\n"] {
                let relay = vec![Header::ContentType("application/dtmf-relay".into())];
                let answer = dialog.info(Some(relay), Some(digit.into())).await?;
                self.status_of("INFO", answer);
            }
            self.status_of("OPTIONS", dialog.request(Method::Options, None, None).await?);
        }
        match self.behaviour {
            Behaviour::HangUp => dialog.bye_with_reason("Q.850;cause=31".into()).await,
            _ => dialog.bye().await,
        }
    }

    async fn reinvite(&self, dialog: &InviteDialog, direction: &str, version: u32) -> Result<()> {
        let answer = dialog.reinvite(sdp_headers(), sdp(direction, version)).await?;
        if let Some(answer) = &answer {
            let body = String::from_utf8_lossy(&answer.body);
            let ours = body.lines().find(|line| {
                ["a=recvonly", "a=sendrecv", "a=sendonly", "a=inactive"].contains(&line.trim())
            });
            self.tell(ours.unwrap_or("no direction").trim().to_owned());
        }
        self.status_of("INVITE", answer);
        Ok(())
    }

    fn status_of(&self, method: &str, answer: Option<rsipstack::sip::Response>) {
        let status = answer.map_or(0, |answer| answer.status_code.code());
        self.tell(format!("{status} to {method}"));
    }

    /// 200 to the INVITE as the answer to its CANCEL: by hand, since the dialog layer says 487.
    async fn cross(self, mut transaction: Transaction) {
        let _ = transaction.reply(StatusCode::Ringing).await;
        while let Some(message) = transaction.receive().await {
            match message {
                SipMessage::Request(request) if request.method == Method::Cancel => {
                    let mut headers = sdp_headers().unwrap_or_default();
                    headers.push(Header::Contact(self.contact.clone().into()));
                    let body = sdp("sendrecv", 1);
                    let _ = transaction.reply_with(StatusCode::OK, headers, body).await;
                }
                SipMessage::Request(request) if request.method == Method::Ack => {
                    self.tell("ACK after a crossing 200");
                    return;
                }
                _ => {}
            }
        }
    }

    async fn challenge(self, mut transaction: Transaction) {
        let value = "Digest realm=\"rsipstack\", nonce=\"f00d\", algorithm=MD5, qop=\"auth\"";
        let challenge = vec![Header::Other("WWW-Authenticate".into(), value.into())];
        let _ = transaction.reply_with(StatusCode::Unauthorized, challenge, None).await;
        while transaction.receive().await.is_some() {}
    }

    /// Whether the INVITE proves the password, in rsipstack's opinion.
    fn knows(&self, transaction: &Transaction) -> bool {
        let request = &transaction.original;
        let Some(raw) = request.authorization_header() else { return false };
        let proves = Authorization::parse(raw.value()).is_ok_and(|typed| {
            let known = typed.username == USER && typed.nonce == "f00d";
            known && verify_digest(&typed, PASSWORD, &request.method, raw.value())
        });
        self.tell(if proves { "the password is right" } else { "the password is wrong" });
        proves
    }
}

fn sdp_headers() -> Option<Vec<Header>> {
    Some(vec![Header::ContentType("application/sdp".into())])
}

fn sdp(direction: &str, version: u32) -> Option<Vec<u8>> {
    let text = format!(
        "v=0\r\no=rsipstack 7 {version} IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
         m=audio 9 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na={direction}\r\n"
    );
    Some(text.into_bytes())
}
