<?xml version="1.0" encoding="utf-8"?>
<!DOCTYPE TS>
<TS version="2.1" language="zh_CN" sourcelanguage="en">
<context>
    <name>AdapterMenu</name>
    <message>
        <source>None</source>
        <translation>无</translation>
    </message>
    <message>
        <source>Open an adapter folder…</source>
        <translation>打开适配器文件夹…</translation>
    </message>
    <message>
        <source>none</source>
        <translation>无</translation>
    </message>
</context>
<context>
    <name>AttentionPart</name>
    <message>
        <source>What is shown</source>
        <translation>显示什么</translation>
    </message>
    <message>
        <source>one head</source>
        <translation>单个注意力头</translation>
    </message>
    <message>
        <source>mean of the layer</source>
        <translation>本层平均</translation>
    </message>
    <message>
        <source>mean of all heads</source>
        <translation>所有头的平均</translation>
    </message>
    <message>
        <source>rollout through all layers</source>
        <translation>跨所有层的累积（rollout）</translation>
    </message>
    <message>
        <source>Export the map as CSV</source>
        <translation>将注意力图导出为 CSV</translation>
    </message>
    <message>
        <source>Export the map as a picture</source>
        <translation>将注意力图导出为图片</translation>
    </message>
    <message>
        <source>Attention: rows look, columns are looked at</source>
        <translation>注意力：行在看，列被看</translation>
    </message>
    <message>
        <source>All heads</source>
        <translation>所有注意力头</translation>
    </message>
    <message>
        <source>Tokens: the marked one looks at the coloured ones</source>
        <translation>词元：选中的词元看向着色的词元</translation>
    </message>
    <message>
        <source>Attention shows where values are taken from. It is no explanation of what the model says.</source>
        <translation>注意力显示数值取自何处，并不能解释模型为什么这样说。</translation>
    </message>
    <message>
        <source>All heads, a line for each layer</source>
        <translation>所有注意力头，每层一行</translation>
    </message>
    <message>
        <source>The text, by what the marked token looks at</source>
        <translation>文字，按选中词元所看之处着色</translation>
    </message>
    <message>
        <source>Type a text of up to 512 tokens, and its attention stands here.</source>
        <translation>输入不超过 512 个词元的文字，这里会显示它的注意力。</translation>
    </message>
    <message>
        <source>layer {layer}, head {head}</source>
        <translation>第 {layer} 层，第 {head} 头</translation>
    </message>
    <message>
        <source>layer {layer}</source>
        <translation>第 {layer} 层</translation>
    </message>
    <message>
        <source>{one} looks at {other}: {share}</source>
        <translation>{one} 看向 {other}：{share}</translation>
    </message>
    <message>
        <source>{one} looks most at {others}</source>
        <translation>{one} 最多看向 {others}</translation>
    </message>
</context>
<context>
    <name>BackupsDialog</name>
    <message>
        <source>A copy of all chats is made and checked every day.</source>
        <translation>每天都会为全部对话做一份副本并检查。</translation>
    </message>
    <message>
        <source>Backups</source>
        <translation>备份</translation>
    </message>
    <message>
        <source>There is no backup yet.</source>
        <translation>还没有备份。</translation>
    </message>
    <message>
        <source>Restore…</source>
        <translation>恢复…</translation>
    </message>
    <message>
        <source>{count} chats</source>
        <translation>{count} 个对话</translation>
    </message>
    <message>
        <source>{count} messages</source>
        <translation>{count} 条消息</translation>
    </message>
    <message>
        <source>sound</source>
        <translation>完好</translation>
    </message>
    <message>
        <source>damaged</source>
        <translation>已损坏</translation>
    </message>
    <message>
        <source>Go back to the chats of {when}?</source>
        <translation>要回到 {when} 的对话吗？</translation>
    </message>
    <message>
        <source>The present state is kept aside, as a backup in this list.</source>
        <translation>现在的状态会另外保存，作为此列表中的一份备份。</translation>
    </message>
    <message>
        <source>Restore</source>
        <translation>恢复</translation>
    </message>
    <message>
        <source>The chats of the backup are here again.</source>
        <translation>备份中的对话已恢复。</translation>
    </message>
</context>
<context>
    <name>Bars</name>
    <message>
        <source>{token}: {before}, after the samplers {after}</source>
        <translation>{token}：{before}，采样器之后 {after}</translation>
    </message>
    <message>
        <source>A special token is no text: it cannot be chosen.</source>
        <translation>特殊词元不是文本，无法选择。</translation>
    </message>
    <message>
        <source>A part of a character is no text: it cannot be chosen.</source>
        <translation>字符的一部分不是文本，无法选择。</translation>
    </message>
</context>
<context>
    <name>Boxes</name>
    <message>
        <source>Import a file</source>
        <translation>导入文件</translation>
    </message>
    <message>
        <source>Texts (*.txt *.md *.docx)</source>
        <translation>文本 (*.txt *.md *.docx)</translation>
    </message>
    <message>
        <source>All files (*)</source>
        <translation>所有文件 (*)</translation>
    </message>
    <message>
        <source>Export</source>
        <translation>导出</translation>
    </message>
    <message>
        <source>Untitled</source>
        <translation>无标题</translation>
    </message>
</context>
<context>
    <name>BranchMap</name>
    <message>
        <source>Branches</source>
        <translation>分支</translation>
    </message>
    <message>
        <source>Find a branch by its first words</source>
        <translation>按开头的词查找分支</translation>
    </message>
    <message>
        <source>There is one branch.
Edit a message or write a reply anew to make another.</source>
        <translation>只有一个分支。
编辑一条消息或重新生成回复，就会有新的分支。</translation>
    </message>
    <message>
        <source>There is no such branch.</source>
        <translation>没有这样的分支。</translation>
    </message>
    <message>
        <source>You: {text}</source>
        <translation>你：{text}</translation>
    </message>
    <message>
        <source>Model: {text}</source>
        <translation>模型：{text}</translation>
    </message>
    <message>
        <source>1 message</source>
        <translation>1 条消息</translation>
    </message>
    <message>
        <source>{count} messages</source>
        <translation>{count} 条消息</translation>
    </message>
    <message>
        <source>here</source>
        <translation>当前</translation>
    </message>
    <message>
        <source>level {number}</source>
        <translation>第 {number} 层</translation>
    </message>
    <message>
        <source>shown</source>
        <translation>已显示</translation>
    </message>
    <message>
        <source>System: {text}</source>
        <translation>系统：{text}</translation>
    </message>
</context>
<context>
    <name>Card</name>
    <message>
        <source>Use</source>
        <translation>采用</translation>
    </message>
    <message>
        <source>A sentence</source>
        <translation>选一句</translation>
    </message>
    <message>
        <source>Use: {text}</source>
        <translation>采用：{text}</translation>
    </message>
</context>
<context>
    <name>Cards</name>
    <message>
        <source>Alternatives</source>
        <translation>备选</translation>
    </message>
    <message>
        <source>Alternatives stand here, several at once. What you do not use stays below them.</source>
        <translation>多种续写会同时列在这里。没有采用的留在下方。</translation>
    </message>
    <message>
        <source>Written before</source>
        <translation>以前写的</translation>
    </message>
</context>
<context>
    <name>Caution</name>
    <message>
        <source>What a model writes can be wrong or biased. Check statements of fact, above all in news.</source>
        <translation>模型写的内容可能有误或带有偏见。请核实其中的事实，尤其是新闻。</translation>
    </message>
    <message>
        <source>Understood</source>
        <translation>知道了</translation>
    </message>
</context>
<context>
    <name>ChatPage</name>
    <message>
        <source>Open an adapter folder</source>
        <translation>打开适配器文件夹</translation>
    </message>
</context>
<context>
    <name>CheckpointModel</name>
    <message>
        <source>used {when}</source>
        <translation>{when} 用过</translation>
    </message>
    <message>
        <source>loaded</source>
        <translation>已加载</translation>
    </message>
    <message>
        <source>asleep</source>
        <translation>休眠中</translation>
    </message>
    <message>
        <source>not loaded</source>
        <translation>未加载</translation>
    </message>
    <message>
        <source>loading {percent} %</source>
        <translation>正在加载 {percent} %</translation>
    </message>
</context>
<context>
    <name>Chip</name>
    <message>
        <source>Take {name} away</source>
        <translation>移除 {name}</translation>
    </message>
    <message>
        <source>1 token</source>
        <translation>1 个词元</translation>
    </message>
    <message>
        <source>{count} tokens</source>
        <translation>{count} 个词元</translation>
    </message>
</context>
<context>
    <name>ChoiceButton</name>
    <message>
        <source>{what}: {choice}</source>
        <translation>{what}：{choice}</translation>
    </message>
</context>
<context>
    <name>ClassifyPage</name>
    <message>
        <source>Type a text, or open a file of texts</source>
        <translation>输入一段文字，或打开文本文件</translation>
    </message>
    <message>
        <source>Text to sort</source>
        <translation>要分类的文字</translation>
    </message>
    <message>
        <source>Open a file…</source>
        <translation>打开文件…</translation>
    </message>
    <message>
        <source>Close the file</source>
        <translation>关闭文件</translation>
    </message>
    <message>
        <source>Sort</source>
        <translation>分类</translation>
    </message>
    <message>
        <source>Save the table…</source>
        <translation>保存表格…</translation>
    </message>
    <message>
        <source>Back to the chat</source>
        <translation>返回对话</translation>
    </message>
    <message>
        <source>Classify</source>
        <translation>分类</translation>
    </message>
    <message>
        <source>Open a file of texts</source>
        <translation>打开文本文件</translation>
    </message>
    <message>
        <source>Tables and texts</source>
        <translation>表格和文本</translation>
    </message>
    <message>
        <source>All files</source>
        <translation>所有文件</translation>
    </message>
    <message>
        <source>Text: {column}</source>
        <translation>文字：{column}</translation>
    </message>
    <message>
        <source>True label: {column}</source>
        <translation>真实标签：{column}</translation>
    </message>
    <message>
        <source>Column of the texts</source>
        <translation>文字所在的列</translation>
    </message>
    <message>
        <source>Column of the true labels</source>
        <translation>真实标签所在的列</translation>
    </message>
    <message>
        <source>No true labels</source>
        <translation>没有真实标签</translation>
    </message>
    <message>
        <source>{count} texts. Nothing has been asked yet.</source>
        <translation>{count} 段文字，尚未开始。</translation>
    </message>
    <message>
        <source>Pause</source>
        <translation>暂停</translation>
    </message>
    <message>
        <source>Go on</source>
        <translation>继续</translation>
    </message>
    <message>
        <source>{done} of {total}</source>
        <translation>{done} / {total}</translation>
    </message>
    <message>
        <source>Saved as {name}.</source>
        <translation>已保存为 {name}。</translation>
    </message>
</context>
<context>
    <name>CodeFrame</name>
    <message>
        <source>Code</source>
        <translation>代码</translation>
    </message>
    <message>
        <source>code</source>
        <translation>代码</translation>
    </message>
    <message>
        <source>Copy the code</source>
        <translation>复制代码</translation>
    </message>
</context>
<context>
    <name>Column</name>
    <message>
        <source>Draft {number}</source>
        <translation>草稿 {number}</translation>
    </message>
    <message>
        <source>Copy the reply</source>
        <translation>复制回复</translation>
    </message>
    <message>
        <source>Use this</source>
        <translation>用这个</translation>
    </message>
    <message>
        <source>Draft {number}, chosen</source>
        <translation>草稿 {number}，已选</translation>
    </message>
</context>
<context>
    <name>CompareStep</name>
    <message>
        <source>Compare with</source>
        <translation>对比对象</translation>
    </message>
    <message>
        <source>Another folder…</source>
        <translation>其他文件夹…</translation>
    </message>
    <message>
        <source>Prompts, one a line</source>
        <translation>提示词，每行一个</translation>
    </message>
    <message>
        <source>One prompt a line; both models answer all of them.</source>
        <translation>每行一个提示词；两个模型都会全部作答。</translation>
    </message>
    <message>
        <source>How prompts are meant</source>
        <translation>提示词的用法</translation>
    </message>
    <message>
        <source>Prompts are messages</source>
        <translation>提示词是消息</translation>
    </message>
    <message>
        <source>Prompts are beginnings of texts</source>
        <translation>提示词是文章开头</translation>
    </message>
    <message>
        <source>Let both answer</source>
        <translation>让两者作答</translation>
    </message>
    <message>
        <source>Cancel</source>
        <translation>取消</translation>
    </message>
    <message>
        <source>Progress of the answers</source>
        <translation>作答进度</translation>
    </message>
    <message>
        <source>Left is better</source>
        <translation>左边更好</translation>
    </message>
    <message>
        <source>Right is better</source>
        <translation>右边更好</translation>
    </message>
    <message>
        <source>Alike</source>
        <translation>差不多</translation>
    </message>
    <message>
        <source>Both bad</source>
        <translation>都不好</translation>
    </message>
    <message>
        <source>Side by side, blind</source>
        <translation>并排盲评</translation>
    </message>
    <message>
        <source>This model and another one answer the same prompts. Which of them stands on the left changes from prompt to prompt; it is told when all votes are given.</source>
        <translation>这个模型和另一个模型回答相同的提示词。哪个在左边随提示词变化；全部评完后才会揭晓。</translation>
    </message>
    <message>
        <source>Left</source>
        <translation>左</translation>
    </message>
    <message>
        <source>Right</source>
        <translation>右</translation>
    </message>
    <message>
        <source>{done} of {total} answers</source>
        <translation>已有 {done}/{total} 个回复</translation>
    </message>
    <message>
        <source>(nothing)</source>
        <translation>（无）</translation>
    </message>
    <message>
        <source>{done} of {total} prompts voted on</source>
        <translation>已评 {done} / {total} 个提示词</translation>
    </message>
    <message>
        <source>The answers are not all there. Let both answer again: it goes on.</source>
        <translation>回答尚不完整。再次让两者作答即可继续。</translation>
    </message>
    <message>
        <source>{first}: {a} · {second}: {b} · alike: {same} · both bad: {bad}. Sign test: p = {p}.</source>
        <translation>{first}：{a} · {second}：{b} · 差不多：{same} · 都不好：{bad}。符号检验：p = {p}。</translation>
    </message>
    <message>
        <source>{votes} The difference may well be chance.</source>
        <translation>{votes}差异很可能只是偶然。</translation>
    </message>
</context>
<context>
    <name>Composer</name>
    <message>
        <source>Another file was not attached.</source>
        <translation>还有 1 个文件未附加。</translation>
    </message>
    <message>
        <source>{count} more files were not attached.</source>
        <translation>还有 {count} 个文件未附加。</translation>
    </message>
    <message>
        <source>Message</source>
        <translation>输入消息</translation>
    </message>
    <message>
        <source>Drop files to attach them</source>
        <translation>松开即可附加文件</translation>
    </message>
    <message>
        <source>Tokens of this conversation and what the model can see</source>
        <translation>本对话的词元数，以及模型能看到的上限</translation>
    </message>
    <message>
        <source>Stop</source>
        <translation>停止</translation>
    </message>
    <message>
        <source>Send</source>
        <translation>发送</translation>
    </message>
</context>
<context>
    <name>ConversationList</name>
    <message>
        <source>The chats you begin will stand here.</source>
        <translation>你开始的对话会出现在这里。</translation>
    </message>
    <message>
        <source>Chats</source>
        <translation>对话列表</translation>
    </message>
    <message>
        <source>New chat</source>
        <translation>新对话</translation>
    </message>
    <message>
        <source>Open</source>
        <translation>打开</translation>
    </message>
    <message>
        <source>Unpin</source>
        <translation>取消置顶</translation>
    </message>
    <message>
        <source>Pin</source>
        <translation>置顶</translation>
    </message>
    <message>
        <source>Move to folder</source>
        <translation>移到文件夹</translation>
    </message>
    <message>
        <source>No folder</source>
        <translation>不放入文件夹</translation>
    </message>
    <message>
        <source>New folder…</source>
        <translation>新建文件夹…</translation>
    </message>
</context>
<context>
    <name>ConversationModel</name>
    <message>
        <source>Pinned</source>
        <translation>置顶</translation>
    </message>
    <message>
        <source>Today</source>
        <translation>今天</translation>
    </message>
    <message>
        <source>Yesterday</source>
        <translation>昨天</translation>
    </message>
    <message>
        <source>Earlier</source>
        <translation>更早</translation>
    </message>
    <message>
        <source>Folder {name}, closed: {count}</source>
        <translation>文件夹 {name}（已折叠）：{count}</translation>
    </message>
    <message>
        <source>Folder {name}: {count}</source>
        <translation>文件夹 {name}：{count}</translation>
    </message>
    <message>
        <source>New chat</source>
        <translation>新对话</translation>
    </message>
</context>
<context>
    <name>Details</name>
    <message>
        <source>Loading the model</source>
        <translation>正在加载模型</translation>
    </message>
    <message>
        <source>Ways to load it</source>
        <translation>加载方式</translation>
    </message>
    <message>
        <source>Model card</source>
        <translation>模型说明</translation>
    </message>
    <message>
        <source>Load</source>
        <translation>加载</translation>
    </message>
    <message>
        <source>Unload</source>
        <translation>卸载</translation>
    </message>
    <message>
        <source>Cancel loading</source>
        <translation>取消加载</translation>
    </message>
    <message>
        <source>Wake it</source>
        <translation>唤醒</translation>
    </message>
    <message>
        <source>Show in folder</source>
        <translation>在文件夹中显示</translation>
    </message>
    <message>
        <source>Take off the list</source>
        <translation>从列表中去掉</translation>
    </message>
    <message>
        <source>The folder stays where it is.</source>
        <translation>文件夹留在原处。</translation>
    </message>
    <message>
        <source>Remove…</source>
        <translation>移除…</translation>
    </message>
    <message>
        <source>Unload it first.</source>
        <translation>请先卸载它。</translation>
    </message>
    <message>
        <source>To the system&apos;s trash, asked first.</source>
        <translation>移到系统的回收站，移动前会询问。</translation>
    </message>
    <message>
        <source>Loaded in {precision} on {device}, context {context}.</source>
        <translation>已加载：{precision}，{device}，上下文 {context}。</translation>
    </message>
    <message>
        <source>Loading {done} of {total}</source>
        <translation>正在加载 {done}，共 {total}</translation>
    </message>
    <message>
        <source>Loading…</source>
        <translation>正在加载…</translation>
    </message>
    <message>
        <source>Architecture</source>
        <translation>架构</translation>
    </message>
    <message>
        <source>Parameters</source>
        <translation>参数</translation>
    </message>
    <message>
        <source>On disk</source>
        <translation>磁盘占用</translation>
    </message>
    <message>
        <source>Stored in</source>
        <translation>存储精度</translation>
    </message>
    <message>
        <source>Context</source>
        <translation>上下文</translation>
    </message>
    <message>
        <source>Messages</source>
        <translation>消息</translation>
    </message>
    <message>
        <source>Licence</source>
        <translation>许可证</translation>
    </message>
    <message>
        <source>Last used</source>
        <translation>上次使用</translation>
    </message>
    <message>
        <source>Folder</source>
        <translation>文件夹</translation>
    </message>
    <message>
        <source>{count} tokens</source>
        <translation>{count} 个词元</translation>
    </message>
</context>
<context>
    <name>Dialog</name>
    <message>
        <source>Close</source>
        <translation>关闭</translation>
    </message>
</context>
<context>
    <name>DialogueBar</name>
    <message>
        <source>Show the prompt</source>
        <translation>显示提示词</translation>
    </message>
    <message>
        <source>Keep this form for this model</source>
        <translation>此模型沿用这种格式</translation>
    </message>
    <message>
        <source>Base model. Your messages are written as</source>
        <translation>基础模型。你的消息写成</translation>
    </message>
    <message>
        <source>Form of the messages: {name}</source>
        <translation>消息格式：{name}</translation>
    </message>
</context>
<context>
    <name>DialogueMenu</name>
    <message>
        <source>Its own template</source>
        <translation>自带模板</translation>
    </message>
    <message>
        <source>Plain dialogue</source>
        <translation>纯文本对话</translation>
    </message>
</context>
<context>
    <name>DocumentList</name>
    <message>
        <source>New document</source>
        <translation>新建文档</translation>
    </message>
    <message>
        <source>More</source>
        <translation>更多</translation>
    </message>
    <message>
        <source>From a template…</source>
        <translation>使用模板…</translation>
    </message>
    <message>
        <source>Import a file…</source>
        <translation>导入文件…</translation>
    </message>
    <message>
        <source>Trash…</source>
        <translation>回收站…</translation>
    </message>
    <message>
        <source>Your documents will stand here.</source>
        <translation>你的文档会列在这里。</translation>
    </message>
    <message>
        <source>Documents</source>
        <translation>文档</translation>
    </message>
    <message>
        <source>Undo</source>
        <translation>撤销</translation>
    </message>
    <message>
        <source>Deleted “{title}”</source>
        <translation>已删除“{title}”</translation>
    </message>
    <message>
        <source>Untitled</source>
        <translation>无标题</translation>
    </message>
    <message>
        <source>Open</source>
        <translation>打开</translation>
    </message>
    <message>
        <source>Move to folder</source>
        <translation>移动到文件夹</translation>
    </message>
    <message>
        <source>No folder</source>
        <translation>无文件夹</translation>
    </message>
    <message>
        <source>New folder…</source>
        <translation>新建文件夹…</translation>
    </message>
</context>
<context>
    <name>DownloadRow</name>
    <message>
        <source>Pause</source>
        <translation>暂停</translation>
    </message>
    <message>
        <source>Go on</source>
        <translation>继续</translation>
    </message>
    <message>
        <source>Show it</source>
        <translation>显示</translation>
    </message>
    <message>
        <source>Download of {name}</source>
        <translation>{name} 的下载</translation>
    </message>
    <message>
        <source>Close</source>
        <translation>关闭</translation>
    </message>
    <message>
        <source>Cancel</source>
        <translation>取消</translation>
    </message>
    <message>
        <source>Pause the download of {name}</source>
        <translation>暂停下载 {name}</translation>
    </message>
    <message>
        <source>Go on with the download of {name}</source>
        <translation>继续下载 {name}</translation>
    </message>
    <message>
        <source>Show {name} among the models on this machine</source>
        <translation>在本机上的模型中显示 {name}</translation>
    </message>
    <message>
        <source>Take {name} off the downloads</source>
        <translation>把 {name} 从下载中去掉</translation>
    </message>
    <message>
        <source>What has come of it is removed.</source>
        <translation>已下载的部分会被删除。</translation>
    </message>
    <message>
        <source>{done} of {total}</source>
        <translation>{done}，共 {total}</translation>
    </message>
    <message>
        <source>waiting for the others</source>
        <translation>等待其他下载</translation>
    </message>
    <message>
        <source>{size}/s</source>
        <translation>{size}/秒</translation>
    </message>
    <message>
        <source>checking</source>
        <translation>正在校验</translation>
    </message>
    <message>
        <source>trying again soon</source>
        <translation>稍后重试</translation>
    </message>
    <message>
        <source>paused</source>
        <translation>已暂停</translation>
    </message>
    <message>
        <source>downloaded and checked</source>
        <translation>已下载并校验</translation>
    </message>
    <message>
        <source>{count} s left</source>
        <translation>还剩 {count} 秒</translation>
    </message>
    <message>
        <source>{count} min left</source>
        <translation>还剩 {count} 分钟</translation>
    </message>
    <message>
        <source>{count} h left</source>
        <translation>还剩 {count} 小时</translation>
    </message>
</context>
<context>
    <name>DraftRow</name>
    <message>
        <source>Guess ahead with</source>
        <translation>用谁提前猜测</translation>
    </message>
    <message>
        <source>None</source>
        <translation>无</translation>
    </message>
    <message>
        <source>A smaller model with the same vocabulary. Replies stay the same and may come sooner.</source>
        <translation>词表相同的较小模型。回复不变，可能更快出现。</translation>
    </message>
    <message>
        <source>“Guess ahead” is off in the settings.</source>
        <translation>“提前猜测”已在设置中关闭。</translation>
    </message>
    <message>
        <source>It is at work. Replies stay the same and may come sooner.</source>
        <translation>正在使用。回复不变，可能更快出现。</translation>
    </message>
</context>
<context>
    <name>DraftsView</name>
    <message>
        <source>{count} replies side by side. The chat goes on with the marked one.</source>
        <translation>{count} 个回复并排显示。对话将沿用标出的那个。</translation>
    </message>
    <message>
        <source>{before} {after} mark · {key} back</source>
        <translation>{before} {after} 选择 · {key} 返回</translation>
    </message>
</context>
<context>
    <name>DroppedLine</name>
    <message>
        <source>the model does not see what is above</source>
        <translation>以上内容模型看不到</translation>
    </message>
</context>
<context>
    <name>EditBox</name>
    <message>
        <source>Edit the message</source>
        <translation>编辑消息</translation>
    </message>
    <message>
        <source>Edit the reply</source>
        <translation>编辑回复</translation>
    </message>
    <message>
        <source>Save and ask</source>
        <translation>保存并重新提问</translation>
    </message>
    <message>
        <source>Save</source>
        <translation>保存</translation>
    </message>
    <message>
        <source>The version before stays; ‹ brings it back. (Ctrl+Enter)</source>
        <translation>原来的版本会保留，点 ‹ 可以找回。（Ctrl+Enter）</translation>
    </message>
    <message>
        <source>Cancel</source>
        <translation>取消</translation>
    </message>
    <message>
        <source>Leave the message as it was (Esc)</source>
        <translation>保持原样（Esc）</translation>
    </message>
</context>
<context>
    <name>Editor</name>
    <message>
        <source>Text</source>
        <translation>文字</translation>
    </message>
    <message>
        <source>Write something, then press Ctrl+Enter to have it continued.</source>
        <translation>写点什么，然后按 Ctrl+Enter 让模型续写。</translation>
    </message>
</context>
<context>
    <name>EmptyState</name>
    <message>
        <source>Type a message below. The model answers on this machine.</source>
        <translation>在下面输入消息，模型就在这台电脑上回答。</translation>
    </message>
    <message>
        <source>Hello, who are you?</source>
        <translation>你好，你是谁？</translation>
    </message>
    <message>
        <source>Tell me a short story about a lighthouse.</source>
        <translation>讲一个关于灯塔的小故事。</translation>
    </message>
    <message>
        <source>What does temperature do?</source>
        <translation>“温度”是做什么用的？</translation>
    </message>
</context>
<context>
    <name>ExactPromptDialog</name>
    <message>
        <source>Exact prompt</source>
        <translation>确切的提示词</translation>
    </message>
    <message>
        <source>Prompt as text</source>
        <translation>提示词文本</translation>
    </message>
    <message>
        <source>Tokens of the prompt</source>
        <translation>提示词的词元</translation>
    </message>
    <message>
        <source>The engine makes the prompt as soon as it is free.</source>
        <translation>引擎一空闲就会生成提示词。</translation>
    </message>
    <message>
        <source>Text</source>
        <translation>文本</translation>
    </message>
    <message>
        <source>Tokens</source>
        <translation>词元</translation>
    </message>
    <message>
        <source>Copy text</source>
        <translation>复制文本</translation>
    </message>
    <message>
        <source>Copy token ids</source>
        <translation>复制词元编号</translation>
    </message>
    <message>
        <source>{count} of {most} tokens</source>
        <translation>{count} / {most} 个词元</translation>
    </message>
    <message>
        <source>What the model reads when you send the message as it is typed now.</source>
        <translation>如果现在发送已输入的消息，模型读到的就是下面的内容。</translation>
    </message>
    <message>
        <source>What the model reads to answer your last message.</source>
        <translation>模型回答你的上一条消息时读到的内容。</translation>
    </message>
    <message>
        <source>1 older message is left out.</source>
        <translation>有 1 条较早的消息被略去。</translation>
    </message>
    <message>
        <source>{count} older messages are left out.</source>
        <translation>有 {count} 条较早的消息被略去。</translation>
    </message>
    <message>
        <source>Token {number} of {count} · id {id} · {text}</source>
        <translation>第 {number} 个词元（共 {count} 个）· 编号 {id} · {text}</translation>
    </message>
    <message>
        <source>Token {number} of {count} · id {id} · {text} · special</source>
        <translation>第 {number} 个词元（共 {count} 个）· 编号 {id} · {text} · 特殊词元</translation>
    </message>
    <message>
        <source>Copied.</source>
        <translation>已复制。</translation>
    </message>
</context>
<context>
    <name>FileDialog</name>
    <message>
        <source>Text of the file</source>
        <translation>文件内容</translation>
    </message>
    <message>
        <source>Copy text</source>
        <translation>复制文本</translation>
    </message>
    <message>
        <source>Save as…</source>
        <translation>另存为…</translation>
    </message>
    <message>
        <source>1 line</source>
        <translation>1 行</translation>
    </message>
    <message>
        <source>{count} lines</source>
        <translation>{count} 行</translation>
    </message>
    <message>
        <source>1 character</source>
        <translation>1 个字符</translation>
    </message>
    <message>
        <source>{count} characters</source>
        <translation>{count} 个字符</translation>
    </message>
    <message>
        <source>1 token</source>
        <translation>1 个词元</translation>
    </message>
    <message>
        <source>{count} tokens</source>
        <translation>{count} 个词元</translation>
    </message>
    <message>
        <source>Saved.</source>
        <translation>已保存。</translation>
    </message>
    <message>
        <source>Copied.</source>
        <translation>已复制。</translation>
    </message>
</context>
<context>
    <name>FindBar</name>
    <message>
        <source>Close the search</source>
        <translation>关闭查找</translation>
    </message>
    <message>
        <source>Not found</source>
        <translation>未找到</translation>
    </message>
    <message>
        <source>{number} of {count}</source>
        <translation>第 {number} 处，共 {count} 处</translation>
    </message>
    <message>
        <source>Find</source>
        <translation>查找</translation>
    </message>
    <message>
        <source>Replace with</source>
        <translation>替换为</translation>
    </message>
    <message>
        <source>Match before</source>
        <translation>上一处</translation>
    </message>
    <message>
        <source>Next match</source>
        <translation>下一处</translation>
    </message>
    <message>
        <source>Replace</source>
        <translation>替换</translation>
    </message>
    <message>
        <source>Replace all</source>
        <translation>全部替换</translation>
    </message>
    <message>
        <source>Close</source>
        <translation>关闭</translation>
    </message>
    <message>
        <source>{number} of {total}</source>
        <translation>第 {number} 处，共 {total} 处</translation>
    </message>
</context>
<context>
    <name>Footer</name>
    <message>
        <source>Previous version</source>
        <translation>上一个版本</translation>
    </message>
    <message>
        <source>Next version</source>
        <translation>下一个版本</translation>
    </message>
    <message>
        <source>Regenerate</source>
        <translation>重新生成</translation>
    </message>
    <message>
        <source>Continue the reply</source>
        <translation>继续回复</translation>
    </message>
    <message>
        <source>Edit the message</source>
        <translation>编辑消息</translation>
    </message>
    <message>
        <source>Edit the reply</source>
        <translation>编辑回复</translation>
    </message>
    <message>
        <source>Copy the message</source>
        <translation>复制消息</translation>
    </message>
    <message>
        <source>Copy the reply</source>
        <translation>复制回复</translation>
    </message>
    <message>
        <source>More</source>
        <translation>更多</translation>
    </message>
    <message>
        <source>Version {number} of {count}</source>
        <translation>第 {number} 个版本，共 {count} 个</translation>
    </message>
    <message>
        <source>stopped</source>
        <translation>已停止</translation>
    </message>
    <message>
        <source>length reached</source>
        <translation>达到长度上限</translation>
    </message>
    <message>
        <source>interrupted</source>
        <translation>中断</translation>
    </message>
    <message>
        <source>context full</source>
        <translation>上下文已满</translation>
    </message>
    <message>
        <source>ended by an error</source>
        <translation>因出错结束</translation>
    </message>
    <message>
        <source>pinned</source>
        <translation>已置顶</translation>
    </message>
    <message>
        <source>Copy as plain text</source>
        <translation>复制为纯文本</translation>
    </message>
    <message>
        <source>Copy as Markdown</source>
        <translation>复制为 Markdown</translation>
    </message>
    <message>
        <source>Look at the tokens…</source>
        <translation>查看词元…</translation>
    </message>
    <message>
        <source>Compare the versions</source>
        <translation>比较各版本</translation>
    </message>
    <message>
        <source>Write another reply here</source>
        <translation>在此另写一个回复</translation>
    </message>
    <message>
        <source>Branch from here</source>
        <translation>从这里分支</translation>
    </message>
    <message>
        <source>Unpin</source>
        <translation>取消置顶</translation>
    </message>
    <message>
        <source>Pin</source>
        <translation>置顶</translation>
    </message>
    <message>
        <source>Export the message…</source>
        <translation>导出此消息…</translation>
    </message>
    <message>
        <source>Delete from here</source>
        <translation>从这里开始删除</translation>
    </message>
</context>
<context>
    <name>Header</name>
    <message>
        <source>Title of the chat</source>
        <translation>对话标题</translation>
    </message>
    <message>
        <source>More</source>
        <translation>更多</translation>
    </message>
    <message>
        <source>New chat</source>
        <translation>新对话</translation>
    </message>
</context>
<context>
    <name>Hint</name>
    <message>
        <source>The model writes…</source>
        <translation>模型正在写…</translation>
    </message>
    <message>
        <source>it sees what follows, too</source>
        <translation>它也能看到后面的文字</translation>
    </message>
    <message>
        <source>it sees only what stands before</source>
        <translation>它只能看到前面的文字</translation>
    </message>
    <message>
        <source>the first {count} characters are out of its sight</source>
        <translation>最前面的 {count} 个字符它看不到</translation>
    </message>
    <message>
        <source>a base model, from examples</source>
        <translation>基础模型，根据示例</translation>
    </message>
    <message>
        <source>The model thinks…</source>
        <translation>模型正在思考…</translation>
    </message>
    <message>
        <source>Tab takes it, Ctrl+→ a word, Esc drops it, Ctrl+R writes another</source>
        <translation>Tab 采用，Ctrl+→ 采用一个词，Esc 放弃，Ctrl+R 换一种</translation>
    </message>
    <message>
        <source>The model thought until its room was used up, and wrote nothing.</source>
        <translation>模型一直在思考，直到篇幅用完，什么也没有写出来。</translation>
    </message>
    <message>
        <source>The model had nothing to add.</source>
        <translation>模型没有可以补充的内容。</translation>
    </message>
    <message>
        <source>Written to {name}.</source>
        <translation>已写入 {name}。</translation>
    </message>
    <message>
        <source>Writing {name}…</source>
        <translation>正在写入 {name}…</translation>
    </message>
    <message>
        <source>Reading {name}…</source>
        <translation>正在读取 {name}…</translation>
    </message>
</context>
<context>
    <name>HistoryDialog</name>
    <message>
        <source>while writing</source>
        <translation>写作途中</translation>
    </message>
    <message>
        <source>kept by hand</source>
        <translation>手动保存</translation>
    </message>
    <message>
        <source>before a model&apos;s words</source>
        <translation>采用模型文字之前</translation>
    </message>
    <message>
        <source>before an older one came back</source>
        <translation>恢复旧版本之前</translation>
    </message>
    <message>
        <source>read from damaged words</source>
        <translation>从损坏的文字中读出</translation>
    </message>
    <message>
        <source>History</source>
        <translation>历史记录</translation>
    </message>
    <message>
        <source>Struck through: what has gone since. Underlined: what has come since.</source>
        <translation>删除线：之后删去的文字。下划线：之后新增的文字。</translation>
    </message>
    <message>
        <source>Versions</source>
        <translation>版本</translation>
    </message>
    <message>
        <source>Differences</source>
        <translation>差异</translation>
    </message>
    <message>
        <source>Bring this version back</source>
        <translation>恢复这个版本</translation>
    </message>
    <message>
        <source>No version yet: one is kept every two minutes while you write, and by Ctrl+S.</source>
        <translation>还没有版本：写作时每两分钟保存一个，也可以按 Ctrl+S 保存。</translation>
    </message>
</context>
<context>
    <name>HubDetails</name>
    <message>
        <source>Access token…</source>
        <translation>访问令牌…</translation>
    </message>
    <message>
        <source>Try again</source>
        <translation>重试</translation>
    </message>
    <message>
        <source>It is on this machine already.</source>
        <translation>它已在本机。</translation>
    </message>
    <message>
        <source>Show it</source>
        <translation>显示</translation>
    </message>
    <message>
        <source>Branch, tag or commit</source>
        <translation>分支、标签或提交</translation>
    </message>
    <message>
        <source>Another branch, a tag or a commit: type it and press Enter.</source>
        <translation>另一个分支、标签或提交：输入后按回车键。</translation>
    </message>
    <message>
        <source>Files</source>
        <translation>文件</translation>
    </message>
    <message>
        <source>Model card</source>
        <translation>模型说明</translation>
    </message>
    <message>
        <source>Looking at its files…</source>
        <translation>正在查看它的文件…</translation>
    </message>
    <message>
        <source>Download {size}</source>
        <translation>下载 {size}</translation>
    </message>
    <message>
        <source>Architecture</source>
        <translation>架构</translation>
    </message>
    <message>
        <source>Parameters</source>
        <translation>参数</translation>
    </message>
    <message>
        <source>Download</source>
        <translation>下载</translation>
    </message>
    <message>
        <source>Stored in</source>
        <translation>存储精度</translation>
    </message>
    <message>
        <source>Context</source>
        <translation>上下文</translation>
    </message>
    <message>
        <source>{count} tokens</source>
        <translation>{count} 个词元</translation>
    </message>
    <message>
        <source>Messages</source>
        <translation>消息</translation>
    </message>
    <message>
        <source>Licence</source>
        <translation>许可证</translation>
    </message>
    <message>
        <source>Access</source>
        <translation>访问</translation>
    </message>
    <message>
        <source>only to those who accept its terms</source>
        <translation>仅限接受其条款的人</translation>
    </message>
    <message>
        <source>Downloads</source>
        <translation>下载次数</translation>
    </message>
    <message>
        <source>Changed</source>
        <translation>更改日期</translation>
    </message>
</context>
<context>
    <name>HubModels</name>
    <message>
        <source>Part of a name</source>
        <translation>名称的一部分</translation>
    </message>
    <message>
        <source>Search the hub</source>
        <translation>搜索模型库</translation>
    </message>
    <message>
        <source>Search</source>
        <translation>搜索</translation>
    </message>
    <message>
        <source>Access token…</source>
        <translation>访问令牌…</translation>
    </message>
    <message>
        <source>Only what this program can run is found. Nothing is asked until you search.</source>
        <translation>只会找到本程序能运行的模型。在你搜索之前不会发出任何请求。</translation>
    </message>
    <message>
        <source>chat or base</source>
        <translation>对话或基础</translation>
    </message>
    <message>
        <source>with a chat template</source>
        <translation>有对话模板</translation>
    </message>
    <message>
        <source>base models</source>
        <translation>基础模型</translation>
    </message>
    <message>
        <source>up to {count}B</source>
        <translation>不超过 {count}B</translation>
    </message>
    <message>
        <source>Kind of model</source>
        <translation>模型种类</translation>
    </message>
    <message>
        <source>Most parameters</source>
        <translation>最多参数</translation>
    </message>
    <message>
        <source>any size</source>
        <translation>任意大小</translation>
    </message>
    <message>
        <source>Licence</source>
        <translation>许可证</translation>
    </message>
    <message>
        <source>any licence</source>
        <translation>任意许可证</translation>
    </message>
    <message>
        <source>Models on the hub</source>
        <translation>模型库中的模型</translation>
    </message>
    <message>
        <source>Asking the hub…</source>
        <translation>正在询问模型库…</translation>
    </message>
    <message>
        <source>Nothing on the hub that this program can run fits this.</source>
        <translation>模型库中没有符合条件且本程序能运行的模型。</translation>
    </message>
    <message>
        <source>terms to accept</source>
        <translation>需接受条款</translation>
    </message>
    <message>
        <source>{count} downloads</source>
        <translation>{count} 次下载</translation>
    </message>
    <message>
        <source>on this machine</source>
        <translation>已在本机</translation>
    </message>
    <message>
        <source>Access token</source>
        <translation>访问令牌</translation>
    </message>
    <message>
        <source>It is kept in the system&apos;s keyring and given to the hub alone. Empty: forget it.</source>
        <translation>它保存在系统的密钥环中，只会交给模型库。留空则忘记它。</translation>
    </message>
    <message>
        <source>The access token is kept.</source>
        <translation>访问令牌已保存。</translation>
    </message>
    <message>
        <source>There is no token now.</source>
        <translation>现在没有令牌。</translation>
    </message>
</context>
<context>
    <name>ImportDialog</name>
    <message>
        <source>Import</source>
        <translation>导入</translation>
    </message>
    <message>
        <source>Reading {name}…</source>
        <translation>正在读取 {name}…</translation>
    </message>
    <message>
        <source>Cancel</source>
        <translation>取消</translation>
    </message>
    <message>
        <source>{done} of {total} conversations are stored. Until all are, none is kept.</source>
        <translation>已保存 {total} 个对话中的 {done} 个。全部完成之前不会保留任何一个。</translation>
    </message>
</context>
<context>
    <name>InspectPage</name>
    <message>
        <source>Type or paste a text to look at</source>
        <translation>输入或粘贴要查看的文字</translation>
    </message>
    <message>
        <source>Text to look at</source>
        <translation>要查看的文字</translation>
    </message>
    <message>
        <source>Back to the chat</source>
        <translation>返回对话</translation>
    </message>
    <message>
        <source>Example</source>
        <translation>示例</translation>
    </message>
    <message>
        <source>Inspect</source>
        <translation>透视</translation>
    </message>
    <message>
        <source>Next word</source>
        <translation>下一个词</translation>
    </message>
    <message>
        <source>Tokens</source>
        <translation>词元</translation>
    </message>
    <message>
        <source>Attention</source>
        <translation>注意力</translation>
    </message>
</context>
<context>
    <name>KeysEditor</name>
    <message>
        <source>Keys</source>
        <translation>快捷键</translation>
    </message>
    <message>
        <source>no key</source>
        <translation>无</translation>
    </message>
    <message>
        <source>Remove</source>
        <translation>移除</translation>
    </message>
    <message>
        <source>{title}: no key</source>
        <translation>{title}：不设快捷键</translation>
    </message>
    <message>
        <source>Reset</source>
        <translation>还原</translation>
    </message>
    <message>
        <source>{title}: back to the default</source>
        <translation>{title}：恢复默认值</translation>
    </message>
    <message>
        <source>Close</source>
        <translation>关闭</translation>
    </message>
    <message>
        <source>Reset all</source>
        <translation>全部还原</translation>
    </message>
    <message>
        <source>Click a key and press another one.</source>
        <translation>点一下快捷键，再按下新的组合键。</translation>
    </message>
    <message>
        <source>{key} is needed for typing. Press it together with Ctrl or Alt, or take F1 to F12.</source>
        <translation>{key} 要用来打字。请与 Ctrl 或 Alt 同按，或改用 F1 到 F12。</translation>
    </message>
    <message>
        <source>{key} already belongs to “{title}”. Give that another key first.</source>
        <translation>{key} 已用于“{title}”。请先为它换一个键。</translation>
    </message>
</context>
<context>
    <name>LabPage</name>
    <message>
        <source>Runs</source>
        <translation>训练记录</translation>
    </message>
    <message>
        <source>New run</source>
        <translation>新的训练</translation>
    </message>
    <message>
        <source>Open a recipe…</source>
        <translation>打开配方…</translation>
    </message>
    <message>
        <source>Open a run&apos;s folder…</source>
        <translation>打开训练文件夹…</translation>
    </message>
    <message>
        <source>Name of the run and its model</source>
        <translation>训练及其模型的名称</translation>
    </message>
    <message>
        <source>Train a language model of your own on this machine, from a folder of texts to a model you can talk to. Begin a new run, or open a recipe.</source>
        <translation>在这台电脑上训练自己的语言模型：从一个文本文件夹，到一个可以对话的模型。开始新的训练，或打开一个配方。</translation>
    </message>
    <message>
        <source>Back to the chat</source>
        <translation>返回对话</translation>
    </message>
    <message>
        <source>Lab</source>
        <translation>实验室</translation>
    </message>
    <message>
        <source>1 Text</source>
        <translation>1 文本</translation>
    </message>
    <message>
        <source>2 Model</source>
        <translation>2 模型</translation>
    </message>
    <message>
        <source>3 Train</source>
        <translation>3 训练</translation>
    </message>
    <message>
        <source>4 Use</source>
        <translation>4 使用</translation>
    </message>
    <message>
        <source>5 Compare</source>
        <translation>5 比较</translation>
    </message>
    <message>
        <source>My model</source>
        <translation>我的模型</translation>
    </message>
    <message>
        <source>Open a recipe</source>
        <translation>打开配方</translation>
    </message>
    <message>
        <source>Recipes</source>
        <translation>配方</translation>
    </message>
    <message>
        <source>All files</source>
        <translation>所有文件</translation>
    </message>
    <message>
        <source>Open a run&apos;s folder</source>
        <translation>打开训练文件夹</translation>
    </message>
</context>
<context>
    <name>Labels</name>
    <message>
        <source>You</source>
        <translation>你</translation>
    </message>
    <message>
        <source>Assistant</source>
        <translation>助手</translation>
    </message>
    <message>
        <source>System</source>
        <translation>系统</translation>
    </message>
    <message>
        <source>System prompt</source>
        <translation>系统提示词</translation>
    </message>
    <message>
        <source>version {number} of {count}</source>
        <translation>第 {number} 个版本，共 {count} 个</translation>
    </message>
    <message>
        <source>answers message {number}</source>
        <translation>回复第 {number} 条消息</translation>
    </message>
    <message>
        <source>another beginning</source>
        <translation>另一个开头</translation>
    </message>
    <message>
        <source>Attachment: {name}</source>
        <translation>附件：{name}</translation>
    </message>
    <message>
        <source>This message is damaged.</source>
        <translation>这条消息已损坏。</translation>
    </message>
    <message>
        <source>Conversation</source>
        <translation>对话</translation>
    </message>
    <message>
        <source>Thoughts</source>
        <translation>思考过程</translation>
    </message>
</context>
<context>
    <name>LabelsEditor</name>
    <message>
        <source>Labels that are ready</source>
        <translation>现成的标签</translation>
    </message>
    <message>
        <source>Bring back my labels</source>
        <translation>恢复我的标签</translation>
    </message>
    <message>
        <source>Add a label</source>
        <translation>添加标签</translation>
    </message>
    <message>
        <source>Prompt around a text</source>
        <translation>文字前后的提示词</translation>
    </message>
    <message>
        <source>Divide by the length of the wording</source>
        <translation>除以措辞的长度</translation>
    </message>
    <message>
        <source>Divide by what empty texts give</source>
        <translation>除以空白文字的结果</translation>
    </message>
    <message>
        <source>Labels</source>
        <translation>标签</translation>
    </message>
    <message>
        <source>Prompt</source>
        <translation>提示词</translation>
    </message>
    <message>
        <source>{mark} is the text; the model says how well each wording follows.</source>
        <translation>{mark} 代表文字；模型判断每种措辞接在后面有多合适。</translation>
    </message>
    <message>
        <source>My own labels</source>
        <translation>我自己的标签</translation>
    </message>
    <message>
        <source>Name</source>
        <translation>名称</translation>
    </message>
    <message>
        <source>Wording</source>
        <translation>措辞</translation>
    </message>
    <message>
        <source>Name of a label</source>
        <translation>标签的名称</translation>
    </message>
    <message>
        <source>Wording of a label</source>
        <translation>标签的措辞</translation>
    </message>
    <message>
        <source>Remove the label</source>
        <translation>删除标签</translation>
    </message>
</context>
<context>
    <name>LoadingStrip</name>
    <message>
        <source>Cancel</source>
        <translation>取消</translation>
    </message>
    <message>
        <source>Cancel loading</source>
        <translation>取消加载</translation>
    </message>
    <message>
        <source>Loading the model</source>
        <translation>正在加载模型</translation>
    </message>
    <message>
        <source>Loading {name} · {percent} %</source>
        <translation>正在加载 {name} · {percent}%</translation>
    </message>
    <message>
        <source>Loading {name}</source>
        <translation>正在加载 {name}</translation>
    </message>
</context>
<context>
    <name>LocalModels</name>
    <message>
        <source>Filter</source>
        <translation>筛选</translation>
    </message>
    <message>
        <source>Filter the models</source>
        <translation>筛选模型</translation>
    </message>
    <message>
        <source>Add folder…</source>
        <translation>添加文件夹…</translation>
    </message>
    <message>
        <source>Look again</source>
        <translation>重新查找</translation>
    </message>
    <message>
        <source>Models on this machine</source>
        <translation>本机上的模型</translation>
    </message>
    <message>
        <source>Looking for models…</source>
        <translation>正在查找模型…</translation>
    </message>
    <message>
        <source>No model here has “{words}” in its name or facts.</source>
        <translation>没有名称或信息中含有“{words}”的模型。</translation>
    </message>
    <message>
        <source>Add a folder, or drop one here.</source>
        <translation>添加一个文件夹，或把它拖到这里。</translation>
    </message>
    <message>
        <source>Move “{name}” to the trash?</source>
        <translation>把“{name}”移到回收站？</translation>
    </message>
    <message>
        <source>Move to the trash</source>
        <translation>移到回收站</translation>
    </message>
    <message>
        <source>{folder} is a link; the folder it leads to stays.</source>
        <translation>{folder} 是一个链接；它指向的文件夹会保留。</translation>
    </message>
    <message>
        <source>The whole folder goes: {folder}, with {count} files, {size}.</source>
        <translation>整个文件夹都会移走：{folder}，共 {count} 个文件，{size}。</translation>
    </message>
    <message>
        <source>These are {count} versions of the model.</source>
        <translation>其中有这个模型的 {count} 个版本。</translation>
    </message>
    <message>
        <source>The space is free again when the trash is emptied.</source>
        <translation>清空回收站后空间才会释放。</translation>
    </message>
</context>
<context>
    <name>MainWindow</name>
    <message>
        <source>A model is being trained. Close the window?</source>
        <translation>模型正在训练。要关闭窗口吗？</translation>
    </message>
    <message>
        <source>The run is saved first. It goes on from there when you open the lab again.</source>
        <translation>会先保存训练。再次打开实验室时可从那里继续。</translation>
    </message>
    <message>
        <source>Save and close</source>
        <translation>保存并关闭</translation>
    </message>
</context>
<context>
    <name>MarkdownView</name>
    <message>
        <source>Reply</source>
        <translation>回复</translation>
    </message>
</context>
<context>
    <name>ModelButton</name>
    <message>
        <source>{architecture}, {parameters} parameters, {context} tokens of context, on {device}</source>
        <translation>{architecture}，{parameters} 参数，上下文 {context} 个词元，运行于 {device}</translation>
    </message>
    <message>
        <source>Choose a model</source>
        <translation>选择模型</translation>
    </message>
    <message>
        <source>{name} · asleep</source>
        <translation>{name} · 休眠中</translation>
    </message>
    <message>
        <source>Model: {name}</source>
        <translation>模型：{name}</translation>
    </message>
</context>
<context>
    <name>ModelMenu</name>
    <message>
        <source>In the box</source>
        <translation>自带</translation>
    </message>
    <message>
        <source>Your folders</source>
        <translation>你的文件夹</translation>
    </message>
    <message>
        <source>On this machine</source>
        <translation>本机已有</translation>
    </message>
    <message>
        <source>Automatic</source>
        <translation>自动</translation>
    </message>
    <message>
        <source>CPU</source>
        <translation>CPU</translation>
    </message>
    <message>
        <source>NVIDIA or AMD GPU</source>
        <translation>NVIDIA 或 AMD 显卡</translation>
    </message>
    <message>
        <source>Apple GPU</source>
        <translation>Apple 显卡</translation>
    </message>
    <message>
        <source>Intel GPU</source>
        <translation>Intel 显卡</translation>
    </message>
    <message>
        <source>It was not used for a while, so its memory was given back. The next message wakes it.</source>
        <translation>有一段时间没有用到，所以归还了内存。下一条消息会唤醒它。</translation>
    </message>
    <message>
        <source>Looking for models…</source>
        <translation>正在查找模型…</translation>
    </message>
    <message>
        <source>No model was found on this machine</source>
        <translation>这台电脑上没有找到模型</translation>
    </message>
    <message>
        <source>Open a checkpoint folder…</source>
        <translation>打开模型文件夹…</translation>
    </message>
    <message>
        <source>Unload</source>
        <translation>卸载模型</translation>
    </message>
    <message>
        <source>Device</source>
        <translation>设备</translation>
    </message>
    <message>
        <source>8 bit (int8)</source>
        <translation>8 位（int8）</translation>
    </message>
    <message>
        <source>4 bit (int4)</source>
        <translation>4 位（int4）</translation>
    </message>
    <message>
        <source>Precision</source>
        <translation>精度</translation>
    </message>
    <message>
        <source>Messages: {form}</source>
        <translation>消息格式：{form}</translation>
    </message>
    <message>
        <source>Adapter: {name}</source>
        <translation>适配器：{name}</translation>
    </message>
    <message>
        <source>{what}: {choice}</source>
        <translation>{what}：{choice}</translation>
    </message>
</context>
<context>
    <name>ModelStep</name>
    <message>
        <source>Architecture</source>
        <translation>架构</translation>
    </message>
    <message>
        <source>What is trained</source>
        <translation>训练的部分</translation>
    </message>
    <message>
        <source>An adapter (LoRA)</source>
        <translation>适配器（LoRA）</translation>
    </message>
    <message>
        <source>A larger adapter</source>
        <translation>较大的适配器</translation>
    </message>
    <message>
        <source>All weights</source>
        <translation>全部权重</translation>
    </message>
    <message>
        <source>Measure the time it takes</source>
        <translation>测量所需时间</translation>
    </message>
    <message>
        <source>Fit into {time}</source>
        <translation>控制在 {time}内</translation>
    </message>
    <message>
        <source>Next: training</source>
        <translation>下一步：训练</translation>
    </message>
    <message>
        <source>Size</source>
        <translation>大小</translation>
    </message>
    <message>
        <source>What it takes</source>
        <translation>所需资源</translation>
    </message>
    <message>
        <source>The recipe says the model; change it there.</source>
        <translation>模型由配方决定；请在配方中修改。</translation>
    </message>
    <message>
        <source>It goes on from this checkpoint, which is left as it is.</source>
        <translation>从这个检查点继续；检查点本身保持不变。</translation>
    </message>
    <message>
        <source>Prepare a text first; its amount says which size suits it.</source>
        <translation>请先准备文本；文本的多少决定合适的大小。</translation>
    </message>
    <message>
        <source>For {size} of text, “{name}” spends the computing best. Larger ones know more words.</source>
        <translation>对于 {size} 的文本，“{name}”最能善用算力。更大的模型认识更多的词。</translation>
    </message>
    <message>
        <source>Measuring…</source>
        <translation>正在测量…</translation>
    </message>
    <message>
        <source>{tokens} tokens are read in all.</source>
        <translation>总共读取 {tokens} 个词元。</translation>
    </message>
    <message>
        <source>{parameters} parameters</source>
        <translation>{parameters} 个参数</translation>
    </message>
    <message>
        <source>about {size} of memory</source>
        <translation>约 {size} 内存</translation>
    </message>
    <message>
        <source>{tokens} tokens are read</source>
        <translation>读取 {tokens} 个词元</translation>
    </message>
    <message>
        <source>about {time} on this machine</source>
        <translation>在这台电脑上约 {time}</translation>
    </message>
    <message>
        <source>Begin with</source>
        <translation>起点</translation>
    </message>
    <message>
        <source>A new model</source>
        <translation>新模型</translation>
    </message>
</context>
<context>
    <name>ModelsPage</name>
    <message>
        <source>Back to the chat</source>
        <translation>回到对话</translation>
    </message>
    <message>
        <source>On this machine</source>
        <translation>本机</translation>
    </message>
    <message>
        <source>From a hub</source>
        <translation>模型库</translation>
    </message>
    <message>
        <source>Models</source>
        <translation>模型</translation>
    </message>
</context>
<context>
    <name>NextWord</name>
    <message>
        <source>Next tokens</source>
        <translation>接下来的词元</translation>
    </message>
    <message>
        <source>The chain rule for this text</source>
        <translation>这段文字的链式法则</translation>
    </message>
    <message>
        <source>What comes next</source>
        <translation>接下来是什么</translation>
    </message>
    <message>
        <source>Samplers</source>
        <translation>采样器</translation>
    </message>
    <message>
        <source>The chain rule</source>
        <translation>链式法则</translation>
    </message>
    <message>
        <source>Type a text, and the model&apos;s next words stand here.</source>
        <translation>输入文字，这里会显示模型接下来的词。</translation>
    </message>
    <message>
        <source>Grey: the model&apos;s own probability. Colour: after the samplers. Click one to add it.</source>
        <translation>灰色：模型自身的概率。彩色：经过采样器之后。点击即可添加。</translation>
    </message>
    <message>
        <source>log P = {log} nats over {count} tokens: {loss} a token, perplexity {perplexity}.</source>
        <translation>log P = {log} 奈特，共 {count} 个词元：每个词元 {loss}，困惑度 {perplexity}。</translation>
    </message>
    <message>
        <source>P({token}) is not known: nothing precedes it</source>
        <translation>P({token}) 未知：前面没有内容</translation>
    </message>
    <message>
        <source>and {count} more</source>
        <translation>还有 {count} 个</translation>
    </message>
</context>
<context>
    <name>NoticeView</name>
    <message>
        <source>Error</source>
        <translation>出错</translation>
    </message>
</context>
<context>
    <name>NumberRow</name>
    <message>
        <source>random</source>
        <translation>随机</translation>
    </message>
    <message>
        <source>Off</source>
        <translation>关</translation>
    </message>
    <message>
        <source>A whole number from {low} to {high}.</source>
        <translation>{low} 到 {high} 之间的整数。</translation>
    </message>
    <message>
        <source>A number from {low} to {high}.</source>
        <translation>{low} 到 {high} 之间的数。</translation>
    </message>
</context>
<context>
    <name>OptionRow</name>
    <message>
        <source>Default {value}</source>
        <translation>默认 {value}</translation>
    </message>
    <message>
        <source>{title}: back to the default</source>
        <translation>{title}：恢复默认</translation>
    </message>
</context>
<context>
    <name>Overview</name>
    <message>
        <source>layer {layer}, head {head}</source>
        <translation>第 {layer} 层，第 {head} 头</translation>
    </message>
</context>
<context>
    <name>Palette</name>
    <message>
        <source>All commands</source>
        <translation>全部命令</translation>
    </message>
    <message>
        <source>What do you want to do?</source>
        <translation>想做什么？</translation>
    </message>
    <message>
        <source>There is no such command.</source>
        <translation>没有这样的命令。</translation>
    </message>
</context>
<context>
    <name>PlainView</name>
    <message>
        <source>You</source>
        <translation>你</translation>
    </message>
</context>
<context>
    <name>Plates</name>
    <message>
        <source>Pasted text, {count} characters</source>
        <translation>粘贴的文本，{count} 个字符</translation>
    </message>
</context>
<context>
    <name>PresetButton</name>
    <message>
        <source>Preset: {name}</source>
        <translation>预设：{name}</translation>
    </message>
    <message>
        <source>Own values</source>
        <translation>自定义</translation>
    </message>
    <message>
        <source>No preset</source>
        <translation>无预设</translation>
    </message>
    <message>
        <source>Save as preset…</source>
        <translation>存为预设…</translation>
    </message>
    <message>
        <source>Delete “{name}”…</source>
        <translation>删除“{name}”…</translation>
    </message>
    <message>
        <source>Use “{name}” for new chats</source>
        <translation>新对话使用“{name}”</translation>
    </message>
    <message>
        <source>No preset for new chats</source>
        <translation>新对话不使用预设</translation>
    </message>
    <message>
        <source>Name of the preset (one of the same name is replaced)</source>
        <translation>预设名称（同名的会被替换）</translation>
    </message>
    <message>
        <source>Save as preset</source>
        <translation>存为预设</translation>
    </message>
    <message>
        <source>Delete the preset “{name}”?</source>
        <translation>要删除预设“{name}”吗？</translation>
    </message>
    <message>
        <source>What uses it keeps its values.</source>
        <translation>使用它的内容会保留各自的数值。</translation>
    </message>
    <message>
        <source>Delete</source>
        <translation>删除</translation>
    </message>
</context>
<context>
    <name>Prompting</name>
    <message>
        <source>Choose an alternative, and another version of the reply goes on from there.</source>
        <translation>选择一个替代词元，回复的另一个版本会从那里继续。</translation>
    </message>
    <message>
        <source>Choose an alternative, and the text goes on from there; what stood there is kept in History.</source>
        <translation>选择一个候选项，文本便从那里继续；原来的文字保存在历史记录中。</translation>
    </message>
</context>
<context>
    <name>PromptsDialog</name>
    <message>
        <source>From a template</source>
        <translation>使用模板</translation>
    </message>
    <message>
        <source>Prompts</source>
        <translation>提示词</translation>
    </message>
    <message>
        <source>Words of the prompt</source>
        <translation>提示词内容</translation>
    </message>
    <message>
        <source>Keep these words</source>
        <translation>保存这些文字</translation>
    </message>
    <message>
        <source>Back to the supplied words</source>
        <translation>恢复自带的文字</translation>
    </message>
    <message>
        <source>Write</source>
        <translation>写作</translation>
    </message>
    <message>
        <source>The prompt, which you can change</source>
        <translation>提示词（可以修改）</translation>
    </message>
    <message>
        <source>The model is told these words.</source>
        <translation>模型会收到这些文字。</translation>
    </message>
    <message>
        <source>A base model follows no instructions: it goes on with this beginning.</source>
        <translation>基础模型不会按指示行事：它会接着这个开头往下写。</translation>
    </message>
    <message>
        <source>A base model follows examples instead; these words are for models that can chat.</source>
        <translation>基础模型会模仿示例；这些文字用于能对话的模型。</translation>
    </message>
</context>
<context>
    <name>QFileDialog</name>
    <message>
        <source>&amp;Look in:</source>
        <translation>查找范围(&amp;L)：</translation>
    </message>
    <message>
        <source>Files of &amp;type:</source>
        <translation>文件类型(&amp;T)：</translation>
    </message>
</context>
<context>
    <name>ReportView</name>
    <message>
        <source>True labels and what was said</source>
        <translation>真实标签与判断结果</translation>
    </message>
    <message>
        <source>None of the true labels is one of these labels, so nothing can be counted.</source>
        <translation>真实标签中没有一个属于这里的标签，因此无法统计。</translation>
    </message>
    <message>
        <source>Accuracy {accuracy} of {count} texts. Always saying the commonest label gives {commonest}.</source>
        <translation>{count} 段文字的准确率为 {accuracy}。总是选最常见的标签则为 {commonest}。</translation>
    </message>
    <message>
        <source>Not counted: {count}.</source>
        <translation>未计入：{count}。</translation>
    </message>
    <message>
        <source>true ↓ · said →</source>
        <translation>真实 ↓ · 判断 →</translation>
    </message>
</context>
<context>
    <name>Results</name>
    <message>
        <source>no text</source>
        <translation>没有文字</translation>
    </message>
    <message>
        <source>too long: at least {tokens} of {limit} tokens</source>
        <translation>太长：至少 {tokens} 个词元，上限 {limit}</translation>
    </message>
</context>
<context>
    <name>ResultsModel</name>
    <message>
        <source>Text</source>
        <translation>文字</translation>
    </message>
    <message>
        <source>True label</source>
        <translation>真实标签</translation>
    </message>
    <message>
        <source>Label</source>
        <translation>标签</translation>
    </message>
</context>
<context>
    <name>ResultsView</name>
    <message>
        <source>Texts and their labels</source>
        <translation>文字及其标签</translation>
    </message>
</context>
<context>
    <name>Review</name>
    <message>
        <source>← → go from change to change, the space bar takes or leaves one.</source>
        <translation>← → 在改动之间移动，空格键采用或放弃一处。</translation>
    </message>
    <message>
        <source>Changes</source>
        <translation>改动</translation>
    </message>
    <message>
        <source>Take</source>
        <translation>采用</translation>
    </message>
    <message>
        <source>Leave it</source>
        <translation>不采用</translation>
    </message>
    <message>
        <source>Leave all changes</source>
        <translation>全部不采用</translation>
    </message>
    <message>
        <source>by a base model, from examples</source>
        <translation>由基础模型根据示例写成</translation>
    </message>
    <message>
        <source>cut off: there was no room for the whole answer</source>
        <translation>已截断：空间不足以写完整个回答</translation>
    </message>
    <message>
        <source>Take all changes</source>
        <translation>采用全部改动</translation>
    </message>
    <message>
        <source>Take {count}</source>
        <translation>采用 {count} 处</translation>
    </message>
    <message>
        <source>Nothing has changed</source>
        <translation>没有改动</translation>
    </message>
    <message>
        <source>Choose all changes</source>
        <translation>全部采用</translation>
    </message>
</context>
<context>
    <name>RowArea</name>
    <message>
        <source>To the end</source>
        <translation>到最后</translation>
    </message>
</context>
<context>
    <name>RowDelegate</name>
    <message>
        <source>Title of the chat</source>
        <translation>对话标题</translation>
    </message>
</context>
<context>
    <name>RowViewport</name>
    <message>
        <source>Copy</source>
        <translation>复制</translation>
    </message>
    <message>
        <source>Select all of this message</source>
        <translation>选中整条消息</translation>
    </message>
</context>
<context>
    <name>RunModel</name>
    <message>
        <source>preparing</source>
        <translation>准备中</translation>
    </message>
    <message>
        <source>measuring</source>
        <translation>测量中</translation>
    </message>
    <message>
        <source>evaluating</source>
        <translation>评估中</translation>
    </message>
    <message>
        <source>comparing</source>
        <translation>比较中</translation>
    </message>
    <message>
        <source>cannot be read</source>
        <translation>无法读取</translation>
    </message>
    <message>
        <source>loss {loss}</source>
        <translation>损失 {loss}</translation>
    </message>
</context>
<context>
    <name>SearchBox</name>
    <message>
        <source>Search</source>
        <translation>搜索</translation>
    </message>
    <message>
        <source>Search titles, messages and documents</source>
        <translation>搜索标题、消息和文档</translation>
    </message>
    <message>
        <source>New chat</source>
        <translation>新对话</translation>
    </message>
    <message>
        <source>There are no chats yet.</source>
        <translation>还没有对话。</translation>
    </message>
    <message>
        <source>Nothing was found for “{text}”.</source>
        <translation>没有找到“{text}”。</translation>
    </message>
    <message>
        <source>Document</source>
        <translation>文档</translation>
    </message>
    <message>
        <source>Untitled</source>
        <translation>无标题</translation>
    </message>
</context>
<context>
    <name>SettingsPage</name>
    <message>
        <source>Back to the chat</source>
        <translation>回到对话</translation>
    </message>
    <message>
        <source>Settings</source>
        <translation>设置</translation>
    </message>
    <message>
        <source>As the system</source>
        <translation>跟随系统</translation>
    </message>
    <message>
        <source>Light</source>
        <translation>浅色</translation>
    </message>
    <message>
        <source>Dark</source>
        <translation>深色</translation>
    </message>
    <message>
        <source>Keys</source>
        <translation>快捷键</translation>
    </message>
    <message>
        <source>Change…</source>
        <translation>更改…</translation>
    </message>
    <message>
        <source>Change the keys</source>
        <translation>更改快捷键</translation>
    </message>
    <message>
        <source>Every command can have another key, or none.</source>
        <translation>每个命令都可以换一个快捷键，也可以不设。</translation>
    </message>
    <message>
        <source>Your data</source>
        <translation>你的数据</translation>
    </message>
    <message>
        <source>Show folder</source>
        <translation>打开文件夹</translation>
    </message>
    <message>
        <source>Chats and settings are kept in {folder}. Nothing leaves this machine.</source>
        <translation>对话和设置保存在 {folder}，不会离开这台电脑。</translation>
    </message>
    <message>
        <source>A file: chatdesk, ChatGPT, Open WebUI, LM Studio…</source>
        <translation>文件：chatdesk、ChatGPT、Open WebUI、LM Studio…</translation>
    </message>
    <message>
        <source>A folder: Jan, LM Studio…</source>
        <translation>文件夹：Jan、LM Studio…</translation>
    </message>
    <message>
        <source>About</source>
        <translation>关于</translation>
    </message>
    <message>
        <source>chatdesk {version}, under the Apache License 2.0. The window is made with Qt {qt} (LGPL 3).</source>
        <translation>chatdesk {version}，以 Apache 2.0 许可证发布。界面使用 Qt {qt}（LGPL 3）。</translation>
    </message>
    <message>
        <source>What a model writes can be wrong or biased. Check statements of fact, above all in news.</source>
        <translation>模型写的内容可能有误或带有偏见。请核实其中的事实，尤其是新闻。</translation>
    </message>
</context>
<context>
    <name>SettingsPanel</name>
    <message>
        <source>Settings of this chat</source>
        <translation>本对话的设置</translation>
    </message>
    <message>
        <source>Close</source>
        <translation>关闭</translation>
    </message>
    <message>
        <source>Leave out the oldest</source>
        <translation>略去最早的</translation>
    </message>
    <message>
        <source>Stop and ask</source>
        <translation>停下来问我</translation>
    </message>
</context>
<context>
    <name>Shelving</name>
    <message>
        <source>New chat</source>
        <translation>新对话</translation>
    </message>
    <message>
        <source>Message</source>
        <translation>消息</translation>
    </message>
    <message>
        <source>the chat could not be read</source>
        <translation>无法读取该对话</translation>
    </message>
    <message>
        <source>Exported to {path}</source>
        <translation>已导出到 {path}</translation>
    </message>
    <message>
        <source>… and {count} more</source>
        <translation>……还有 {count} 项</translation>
    </message>
    <message>
        <source>Import</source>
        <translation>导入</translation>
    </message>
    <message>
        <source>1 conversation came in.</source>
        <translation>导入了 1 个对话。</translation>
    </message>
    <message>
        <source>{count} conversations came in.</source>
        <translation>导入了 {count} 个对话。</translation>
    </message>
    <message>
        <source>{count} got more messages.</source>
        <translation>{count} 个对话有了更多消息。</translation>
    </message>
    <message>
        <source>1 was here already.</source>
        <translation>1 个已经有了。</translation>
    </message>
    <message>
        <source>{count} were here already.</source>
        <translation>{count} 个已经有了。</translation>
    </message>
    <message>
        <source>{count} did not come in as they are:</source>
        <translation>{count} 项未能按原样导入：</translation>
    </message>
</context>
<context>
    <name>Side</name>
    <message>
        <source>Guidance</source>
        <translation>引导</translation>
    </message>
    <message>
        <source>Alternatives</source>
        <translation>备选</translation>
    </message>
    <message>
        <source>Close</source>
        <translation>关闭</translation>
    </message>
</context>
<context>
    <name>Speed</name>
    <message>
        <source>Decoding reads {weights} of weights for a token, and this memory gives {bandwidth} a second: at most {most} tokens a second, of which chatdesk reaches {percent} %. The memory is the limit here: a smaller model or a smaller precision is faster, more computing power hardly.</source>
        <translation>解码时每个词元要读取 {weights} 的权重，而本机内存每秒能提供 {bandwidth}：每秒最多 {most} 个词元，chatdesk 达到了其中的 {percent}%。瓶颈在内存：更小的模型或更低的精度会更快，更强的算力则帮助不大。</translation>
    </message>
    <message>
        <source>Decoding reads {weights} of weights for a token, and this memory gives {bandwidth} a second: at most {most} tokens a second, of which chatdesk reaches {percent} %. Computing is the limit here, not the memory: other programs that want the processor slow it down, and a faster processor or a GPU would help.</source>
        <translation>解码时每个词元要读取 {weights} 的权重，而本机内存每秒能提供 {bandwidth}：每秒最多 {most} 个词元，chatdesk 达到了其中的 {percent}%。瓶颈在计算，不在内存：其他占用处理器的程序会拖慢它，更快的处理器或 GPU 会有帮助。</translation>
    </message>
    <message>
        <source>Decoding reads {weights} of weights for a token, {rate} a second, and this memory gives {bandwidth}: the processor keeps a part of so small a model in its cache. The memory is no limit for it.</source>
        <translation>解码时每个词元要读取 {weights} 的权重，每秒 {rate}，而本机内存能提供 {bandwidth}：这样小的模型，处理器会把一部分留在缓存里。内存不是它的瓶颈。</translation>
    </message>
    <message>
        <source>A part of the weights lies beside the GPU and is brought over for each token. That way is the limit: a smaller model or a smaller precision that fits on the GPU as a whole is many times faster.</source>
        <translation>一部分权重放在 GPU 之外，每个词元都要搬运一次。瓶颈就在这条路上：能整个放进 GPU 的更小的模型或更低的精度会快许多倍。</translation>
    </message>
</context>
<context>
    <name>SpeedSection</name>
    <message>
        <source>Measuring</source>
        <translation>正在测量</translation>
    </message>
    <message>
        <source>Speed</source>
        <translation>速度</translation>
    </message>
    <message>
        <source>Stop</source>
        <translation>停止</translation>
    </message>
    <message>
        <source>Measure</source>
        <translation>测量</translation>
    </message>
    <message>
        <source>Stop measuring</source>
        <translation>停止测量</translation>
    </message>
    <message>
        <source>Measure the speed</source>
        <translation>测量速度</translation>
    </message>
    <message>
        <source>Measuring in turns with plain transformers. A message that you send stops it.</source>
        <translation>正在与原版 transformers 轮流测量。发送消息会让测量停下。</translation>
    </message>
    <message>
        <source>A reply is being written. Measure when it has ended.</source>
        <translation>正在写回复。请等它结束后再测量。</translation>
    </message>
    <message>
        <source>Stopped, for a reply or another model was wanted.</source>
        <translation>已停止，因为需要写回复或换了模型。</translation>
    </message>
    <message>
        <source>medians of {count} rounds</source>
        <translation>{count} 轮的中位数</translation>
    </message>
    <message>
        <source>How fast the loaded model reads and writes on this machine, beside plain transformers, and what limits it. This takes a minute or two.</source>
        <translation>已加载的模型在本机上读写有多快（与原版 transformers 对比），以及瓶颈在哪里。需要一两分钟。</translation>
    </message>
    <message>
        <source>The engine takes {taken} of memory, of which {weights} are the weights.</source>
        <translation>引擎占用 {taken} 内存，其中权重占 {weights}。</translation>
    </message>
    <message>
        <source>Writing, tokens a second</source>
        <translation>写，每秒词元数</translation>
    </message>
    <message>
        <source>Reading a prompt, tokens a second</source>
        <translation>读提示词，每秒词元数</translation>
    </message>
    <message>
        <source>First word of a next reply, seconds</source>
        <translation>下一条回复的第一个词，秒</translation>
    </message>
</context>
<context>
    <name>StatusStrip</name>
    <message>
        <source>Everything stays on this machine. A model can be wrong.</source>
        <translation>一切都留在本机。模型可能出错。</translation>
    </message>
</context>
<context>
    <name>Surface</name>
    <message>
        <source>Scroll sideways</source>
        <translation>左右滚动</translation>
    </message>
</context>
<context>
    <name>TextStep</name>
    <message>
        <source>Files and folders</source>
        <translation>文件和文件夹</translation>
    </message>
    <message>
        <source>Add files…</source>
        <translation>添加文件…</translation>
    </message>
    <message>
        <source>Add a folder…</source>
        <translation>添加文件夹…</translation>
    </message>
    <message>
        <source>Text</source>
        <translation>文本</translation>
    </message>
    <message>
        <source>Add my chats and documents</source>
        <translation>添加我的对话和文档</translation>
    </message>
    <message>
        <source>Copies them, as they are now, into a file of the lab on this machine.</source>
        <translation>把它们现在的样子复制到本机实验室的一个文件中。</translation>
    </message>
    <message>
        <source>Remove</source>
        <translation>移除</translation>
    </message>
    <message>
        <source>Held out</source>
        <translation>留出</translation>
    </message>
    <message>
        <source>{share} %</source>
        <translation>{share}%</translation>
    </message>
    <message>
        <source>Prepare the text</source>
        <translation>准备文本</translation>
    </message>
    <message>
        <source>Cancel</source>
        <translation>取消</translation>
    </message>
    <message>
        <source>Next: the model</source>
        <translation>下一步：模型</translation>
    </message>
    <message>
        <source>Progress of the preparation</source>
        <translation>准备进度</translation>
    </message>
    <message>
        <source>Show samples, before and after</source>
        <translation>显示前后对比的样例</translation>
    </message>
    <message>
        <source>Cleaning</source>
        <translation>清理</translation>
    </message>
    <message>
        <source>Drop files or folders here: txt, md, json, jsonl, csv, docx, epub, html, pdf, packed or not. One megabyte teaches a tiny model to spell; with five it begins to write sentences.</source>
        <translation>把文件或文件夹拖到这里：txt、md、json、jsonl、csv、docx、epub、html、pdf，压缩与否均可。一兆字节能让微型模型学会拼写；有五兆字节时，它开始写出句子。</translation>
    </message>
    <message>
        <source>Documents the model never trains on: they say whether it learns or only remembers.</source>
        <translation>模型从不用来训练的文档：由此可知它是在学习还是只在死记。</translation>
    </message>
    <message>
        <source>Show its files</source>
        <translation>显示文件</translation>
    </message>
    <message>
        <source>Working: {what}</source>
        <translation>正在进行：{what}</translation>
    </message>
    <message>
        <source>The recipe names its text itself.</source>
        <translation>配方自己指定了文本。</translation>
    </message>
    <message>
        <source>documents</source>
        <translation>文档</translation>
    </message>
    <message>
        <source>changed</source>
        <translation>已更改</translation>
    </message>
    <message>
        <source>left out</source>
        <translation>已略去</translation>
    </message>
    <message>
        <source>removed</source>
        <translation>已删除</translation>
    </message>
    <message>
        <source>{documents} documents with {size} to train on; held out: {held}, {held_size}.</source>
        <translation>{documents} 个文档共 {size} 用于训练；留出：{held} 个，{held_size}。</translation>
    </message>
    <message>
        <source>{report} Whole documents are too few: parts of the text are held out.</source>
        <translation>{report}整篇文档太少，因此留出的是文本的若干部分。</translation>
    </message>
    <message>
        <source>Not read: {file}</source>
        <translation>未能读取：{file}</translation>
    </message>
    <message>
        <source>Nothing is held out: too few documents. Such a model cannot be evaluated.</source>
        <translation>文档太少，没有留出任何文本。这样的模型无法评估。</translation>
    </message>
    <message>
        <source>(left out)</source>
        <translation>（已略去）</translation>
    </message>
    <message>
        <source>Add files of text</source>
        <translation>添加文本文件</translation>
    </message>
</context>
<context>
    <name>ThoughtHeading</name>
    <message>
        <source>Unfolded</source>
        <translation>已展开</translation>
    </message>
    <message>
        <source>Folded</source>
        <translation>已折叠</translation>
    </message>
</context>
<context>
    <name>TokenView</name>
    <message>
        <source>id {id}</source>
        <translation>编号 {id}</translation>
    </message>
</context>
<context>
    <name>TokensDialog</name>
    <message>
        <source>Tokens</source>
        <translation>词元</translation>
    </message>
    <message>
        <source>The engine reads the text as soon as it is free.</source>
        <translation>引擎一有空就会读取这段文本。</translation>
    </message>
    <message>
        <source>Next word and attention</source>
        <translation>下一个词与注意力</translation>
    </message>
</context>
<context>
    <name>TokensPart</name>
    <message>
        <source>by probability</source>
        <translation>按概率</translation>
    </message>
    <message>
        <source>by rank</source>
        <translation>按名次</translation>
    </message>
    <message>
        <source>Colour</source>
        <translation>颜色</translation>
    </message>
    <message>
        <source>by entropy</source>
        <translation>按熵</translation>
    </message>
    <message>
        <source>Export the tokens as CSV</source>
        <translation>将词元导出为 CSV</translation>
    </message>
    <message>
        <source>Export the tokens as JSON</source>
        <translation>将词元导出为 JSON</translation>
    </message>
    <message>
        <source>Tokens of the text</source>
        <translation>文字的词元</translation>
    </message>
    <message>
        <source>What could have stood there</source>
        <translation>这里还可能是什么</translation>
    </message>
    <message>
        <source>Grey: the model&apos;s own probability. Colour: after the samplers. Click one to go on from there.</source>
        <translation>灰色：模型自身的概率。彩色：经过采样器之后。点击即可从那里继续。</translation>
    </message>
    <message>
        <source>Type a text, and its tokens stand here.</source>
        <translation>输入文字，这里会显示它的词元。</translation>
    </message>
    <message>
        <source>strong: rank 1000 and more</source>
        <translation>深色：名次在 1000 之后</translation>
    </message>
    <message>
        <source>strong: the model did not know</source>
        <translation>深色：模型拿不准</translation>
    </message>
    <message>
        <source>strong: unexpected</source>
        <translation>深色：出乎意料</translation>
    </message>
    <message>
        <source>{text} · nothing precedes it</source>
        <translation>{text} · 前面没有内容</translation>
    </message>
    <message>
        <source>{text} · {before} (after the samplers {after}) · rank {rank} · entropy {entropy} nats</source>
        <translation>{text} · {before}（采样器之后 {after}）· 名次 {rank} · 熵 {entropy} 奈特</translation>
    </message>
</context>
<context>
    <name>TrainStep</name>
    <message>
        <source>Start training</source>
        <translation>开始训练</translation>
    </message>
    <message>
        <source>Next: use it</source>
        <translation>下一步：使用</translation>
    </message>
    <message>
        <source>Compare with</source>
        <translation>比较</translation>
    </message>
    <message>
        <source>Progress of the training</source>
        <translation>训练进度</translation>
    </message>
    <message>
        <source>Loss, nats a token</source>
        <translation>损失（每词元奈特）</translation>
    </message>
    <message>
        <source>Learning rate</source>
        <translation>学习率</translation>
    </message>
    <message>
        <source>Tokens a second</source>
        <translation>每秒词元</translation>
    </message>
    <message>
        <source>What it writes</source>
        <translation>它写出的文字</translation>
    </message>
    <message>
        <source>Go on</source>
        <translation>继续</translation>
    </message>
    <message>
        <source>Saving…</source>
        <translation>正在保存…</translation>
    </message>
    <message>
        <source>Pause</source>
        <translation>暂停</translation>
    </message>
    <message>
        <source>{tokens} tokens: “{prompt}” → {text}</source>
        <translation>{tokens} 词元：“{prompt}” → {text}</translation>
    </message>
    <message>
        <source>{file} is cut into tokens</source>
        <translation>正在把 {file} 切分为词元</translation>
    </message>
    <message>
        <source>Preparing: {what}</source>
        <translation>正在准备：{what}</translation>
    </message>
    <message>
        <source>{done} of {total} tokens</source>
        <translation>{done} / {total} 词元</translation>
    </message>
    <message>
        <source>held-out loss {loss}</source>
        <translation>留出损失 {loss}</translation>
    </message>
    <message>
        <source>{speed} tokens/s</source>
        <translation>{speed} 词元/秒</translation>
    </message>
    <message>
        <source>{time} left</source>
        <translation>还需 {time}</translation>
    </message>
    <message>
        <source>training</source>
        <translation>训练</translation>
    </message>
    <message>
        <source>held out</source>
        <translation>留出</translation>
    </message>
</context>
<context>
    <name>Transcript</name>
    <message>
        <source>Conversation</source>
        <translation>对话</translation>
    </message>
</context>
<context>
    <name>TrashDialog</name>
    <message>
        <source>Trash</source>
        <translation>回收站</translation>
    </message>
    <message>
        <source>Deleted chats and messages stay here for {days} days, deleted documents in the trash of Write.</source>
        <translation>删除的对话和消息在这里保留 {days} 天，删除的文档在“写作”的回收站里。</translation>
    </message>
    <message>
        <source>The trash is empty.</source>
        <translation>回收站是空的。</translation>
    </message>
    <message>
        <source>Restore</source>
        <translation>恢复</translation>
    </message>
    <message>
        <source>Delete for good…</source>
        <translation>彻底删除…</translation>
    </message>
    <message>
        <source>deleted {when}</source>
        <translation>删除于 {when}</translation>
    </message>
    <message>
        <source>New chat</source>
        <translation>新对话</translation>
    </message>
    <message>
        <source>1 message: {beginning}</source>
        <translation>1 条消息：{beginning}</translation>
    </message>
    <message>
        <source>{count} messages: {beginning}</source>
        <translation>{count} 条消息：{beginning}</translation>
    </message>
    <message>
        <source>Delete these messages of “{title}” for good?</source>
        <translation>永久删除“{title}”中的这些消息？</translation>
    </message>
    <message>
        <source>Delete “{title}” for good?</source>
        <translation>要彻底删除“{title}”吗？</translation>
    </message>
    <message>
        <source>It cannot be brought back.</source>
        <translation>删除后无法恢复。</translation>
    </message>
    <message>
        <source>Delete for good</source>
        <translation>彻底删除</translation>
    </message>
    <message>
        <source>Deleted documents stay here for {days} days.</source>
        <translation>删除的文档在这里保留 {days} 天。</translation>
    </message>
    <message>
        <source>Its versions and what models wrote for it go, too. It cannot be brought back.</source>
        <translation>它的各个版本和模型为它写的内容也会一并删除，且无法恢复。</translation>
    </message>
    <message>
        <source>Untitled</source>
        <translation>无标题</translation>
    </message>
</context>
<context>
    <name>TurnRows</name>
    <message>
        <source>Thinking…</source>
        <translation>思考中…</translation>
    </message>
    <message>
        <source>Thought for {seconds} s</source>
        <translation>思考了 {seconds} 秒</translation>
    </message>
    <message>
        <source>Thoughts</source>
        <translation>思考过程</translation>
    </message>
</context>
<context>
    <name>UndoBar</name>
    <message>
        <source>The messages are in the trash.</source>
        <translation>消息已移到回收站。</translation>
    </message>
    <message>
        <source>The message was edited; the old one is kept.</source>
        <translation>消息已编辑；旧的仍保留。</translation>
    </message>
    <message>
        <source>The file was taken away.</source>
        <translation>附件已移除。</translation>
    </message>
    <message>
        <source>A new branch begins here; the old one is kept.</source>
        <translation>新的分支从这里开始；旧的仍保留。</translation>
    </message>
    <message>
        <source>Undo</source>
        <translation>撤销</translation>
    </message>
</context>
<context>
    <name>UseStep</name>
    <message>
        <source>Talk to it</source>
        <translation>与它对话</translation>
    </message>
    <message>
        <source>Show its files</source>
        <translation>显示文件</translation>
    </message>
    <message>
        <source>Evaluate</source>
        <translation>评估</translation>
    </message>
    <message>
        <source>New run with the same choices</source>
        <translation>用相同的选择新建训练</translation>
    </message>
    <message>
        <source>Copy the command</source>
        <translation>复制命令</translation>
    </message>
    <message>
        <source>Progress of the evaluation</source>
        <translation>评估进度</translation>
    </message>
    <message>
        <source>The model</source>
        <translation>模型</translation>
    </message>
    <message>
        <source>How good it is</source>
        <translation>质量如何</translation>
    </message>
    <message>
        <source>Save the report…</source>
        <translation>保存报告…</translation>
    </message>
    <message>
        <source>Open the report</source>
        <translation>打开报告</translation>
    </message>
    <message>
        <source>Measured on the held-out text, and by texts that it writes. Bits per byte compare any two models: text as it is takes 8, a good packing program 2 to 3, large models below 1.</source>
        <translation>在留出的文本上测量，并查看它写出的文字。每字节比特数可用来比较任意两个模型：原样的文本为 8，好的压缩程序为 2 到 3，大型模型低于 1。</translation>
    </message>
    <message>
        <source>On the command line</source>
        <translation>在命令行中</translation>
    </message>
    <message>
        <source>There is none yet: train first. It can be talked to from the first save on.</source>
        <translation>还没有模型：请先训练。从第一次保存起就可以与它对话。</translation>
    </message>
    <message>
        <source>It lies in the folder of the run, as of its last save.</source>
        <translation>它在训练文件夹中，是最近一次保存时的样子。</translation>
    </message>
    <message>
        <source>It is on the Models page under the name of the run, as of its last save.</source>
        <translation>它已在模型页上，名称与训练相同，内容为最近一次保存的状态。</translation>
    </message>
    <message>
        <source>It is an adapter for {model}. Talking to it loads that model with the adapter.</source>
        <translation>这是 {model} 的适配器。与它对话时会载入该模型并加上适配器。</translation>
    </message>
    <message>
        <source>the model it was trained on</source>
        <translation>训练时所用的模型</translation>
    </message>
    <message>
        <source>Measuring…</source>
        <translation>正在测量…</translation>
    </message>
    <message>
        <source>Loss, nats a token</source>
        <translation>损失（每词元奈特）</translation>
    </message>
    <message>
        <source>Perplexity</source>
        <translation>困惑度</translation>
    </message>
    <message>
        <source>Bits per byte</source>
        <translation>每字节比特</translation>
    </message>
    <message>
        <source>Different words among those it writes</source>
        <translation>所写文字中不同的词</translation>
    </message>
    <message>
        <source>Different pairs of words</source>
        <translation>不同的词对</translation>
    </message>
    <message>
        <source>Self-BLEU: how alike its texts are</source>
        <translation>Self-BLEU：各篇文字有多相似</translation>
    </message>
    <message>
        <source>Repetition: groups of four words written twice in a text</source>
        <translation>重复：同一篇中写了两次的四词组</translation>
    </message>
    <message>
        <source>Copied: groups of eight words from the training text</source>
        <translation>照抄：取自训练文本的八词组</translation>
    </message>
    <message>
        <source>Not saved: {reason}</source>
        <translation>未保存：{reason}</translation>
    </message>
</context>
<context>
    <name>Waiting</name>
    <message>
        <source>The model is reading</source>
        <translation>模型正在阅读</translation>
    </message>
    <message>
        <source>read {percent} %</source>
        <translation>已读取 {percent}%</translation>
    </message>
</context>
<context>
    <name>WaysTable</name>
    <message>
        <source>Layers</source>
        <translation>层</translation>
    </message>
    <message>
        <source>Device</source>
        <translation>设备</translation>
    </message>
    <message>
        <source>Precision</source>
        <translation>精度</translation>
    </message>
    <message>
        <source>Context</source>
        <translation>上下文</translation>
    </message>
    <message>
        <source>Memory</source>
        <translation>内存</translation>
    </message>
    <message>
        <source>{needed} of {free}</source>
        <translation>{needed}，可用 {free}</translation>
    </message>
    <message>
        <source>weights {weights}, keys and values {cache}, room to compute {work}</source>
        <translation>权重 {weights}，键值缓存 {cache}，计算空间 {work}</translation>
    </message>
    <message>
        <source>, the model that guesses ahead {size}</source>
        <translation>，预测模型 {size}</translation>
    </message>
    <message>
        <source>Load</source>
        <translation>加载</translation>
    </message>
    <message>
        <source>Load on {device} in {precision}, context {context}</source>
        <translation>在 {device} 上以 {precision} 加载，上下文 {context}</translation>
    </message>
</context>
<context>
    <name>WritingHeader</name>
    <message>
        <source>Back to the chat</source>
        <translation>返回对话</translation>
    </message>
    <message>
        <source>Show or hide the documents</source>
        <translation>显示或隐藏文档列表</translation>
    </message>
    <message>
        <source>Title of the document</source>
        <translation>文档标题</translation>
    </message>
    <message>
        <source>Untitled</source>
        <translation>无标题</translation>
    </message>
    <message>
        <source>Continue</source>
        <translation>续写</translation>
    </message>
    <message>
        <source>Continue at the cursor</source>
        <translation>在光标处续写</translation>
    </message>
    <message>
        <source>Alternatives</source>
        <translation>备选</translation>
    </message>
    <message>
        <source>Several continuations side by side</source>
        <translation>同时写出多种续写</translation>
    </message>
    <message>
        <source>Rework</source>
        <translation>改写</translation>
    </message>
    <message>
        <source>Show or hide guidance and alternatives</source>
        <translation>显示或隐藏引导与备选</translation>
    </message>
    <message>
        <source>More</source>
        <translation>更多</translation>
    </message>
    <message>
        <source>Say what to do…</source>
        <translation>说明要怎么改…</translation>
    </message>
    <message>
        <source>Change these prompts…</source>
        <translation>修改这些提示词…</translation>
    </message>
    <message>
        <source>Find and replace</source>
        <translation>查找和替换</translation>
    </message>
    <message>
        <source>Tint what a model wrote</source>
        <translation>标出模型写的文字</translation>
    </message>
    <message>
        <source>Export as</source>
        <translation>导出为</translation>
    </message>
    <message>
        <source>Plain text</source>
        <translation>纯文本</translation>
    </message>
    <message>
        <source>Delete</source>
        <translation>删除</translation>
    </message>
    <message>
        <source>Stop</source>
        <translation>停止</translation>
    </message>
    <message>
        <source>No model</source>
        <translation>没有模型</translation>
    </message>
    <message>
        <source>Loading…</source>
        <translation>正在加载…</translation>
    </message>
    <message>
        <source>Choose a model</source>
        <translation>选择模型</translation>
    </message>
</context>
<context>
    <name>WritingPage</name>
    <message>
        <source>Try it: “{text}”, continued five times</source>
        <translation>试一试：把“{text}”续写五次</translation>
    </message>
    <message>
        <source>Waiting for the model…</source>
        <translation>正在等待模型…</translation>
    </message>
    <message>
        <source>saved</source>
        <translation>已保存</translation>
    </message>
    <message>
        <source>The disk has damaged this text. What could be read is kept in History.</source>
        <translation>磁盘损坏了这段文字。能读出的部分保存在历史记录中。</translation>
    </message>
    <message>
        <source>1 word</source>
        <translation>1 个词</translation>
    </message>
    <message>
        <source>{count} words</source>
        <translation>{count} 个词</translation>
    </message>
    <message>
        <source>{count} tokens</source>
        <translation>{count} 个词元</translation>
    </message>
    <message>
        <source>Select some text first.</source>
        <translation>请先选择一些文字。</translation>
    </message>
    <message>
        <source>Esc shows everything again</source>
        <translation>按 Esc 恢复显示</translation>
    </message>
    <message>
        <source>{count} characters are too many for one document, which holds {most}. Nothing was pasted.</source>
        <translation>{count} 个字符对一个文档来说太多了，最多 {most} 个。没有粘贴任何内容。</translation>
    </message>
    <message>
        <source>The text has changed since. Select it again.</source>
        <translation>文字已经改变，请重新选择。</translation>
    </message>
    <message>
        <source>Kept as a version.</source>
        <translation>已保存为一个版本。</translation>
    </message>
    <message>
        <source>Answer with the new text alone.</source>
        <translation>只给出新的文字。</translation>
    </message>
    <message>
        <source>Rework</source>
        <translation>改写</translation>
    </message>
    <message>
        <source>What is to be done with the selection?</source>
        <translation>要怎样处理所选内容？</translation>
    </message>
</context>
<context>
    <name>_UndoBar</name>
    <message>
        <source>Undo</source>
        <translation>撤销</translation>
    </message>
    <message>
        <source>Deleted “{title}”</source>
        <translation>已删除“{title}”</translation>
    </message>
</context>
<context>
    <name>classify</name>
    <message>
        <source>Sentiment</source>
        <translation>情感</translation>
    </message>
    <message>
        <source>Sentiment, with neutral</source>
        <translation>情感（含中性）</translation>
    </message>
    <message>
        <source>Topic of a news item</source>
        <translation>新闻主题</translation>
    </message>
    <message>
        <source>Sentiment of Chinese texts</source>
        <translation>中文情感</translation>
    </message>
</context>
<context>
    <name>dialogs</name>
    <message>
        <source>Export as</source>
        <translation>导出为</translation>
    </message>
    <message>
        <source>Open this address outside chatdesk?</source>
        <translation>要在浏览器中打开这个地址吗？</translation>
    </message>
    <message>
        <source>Open</source>
        <translation>打开</translation>
    </message>
    <message>
        <source>Open a checkpoint folder</source>
        <translation>打开模型文件夹</translation>
    </message>
    <message>
        <source>Attach files</source>
        <translation>附加文件</translation>
    </message>
    <message>
        <source>Save the file</source>
        <translation>保存文件</translation>
    </message>
    <message>
        <source>Export</source>
        <translation>导出</translation>
    </message>
    <message>
        <source>Text to train on</source>
        <translation>训练用文本</translation>
    </message>
    <message>
        <source>Import</source>
        <translation>导入</translation>
    </message>
    <message>
        <source>Exports (*.json *.zip)</source>
        <translation>导出文件 (*.json *.zip)</translation>
    </message>
    <message>
        <source>All files (*)</source>
        <translation>所有文件 (*)</translation>
    </message>
    <message>
        <source>New folder</source>
        <translation>新建文件夹</translation>
    </message>
    <message>
        <source>Name of the folder</source>
        <translation>文件夹名称</translation>
    </message>
</context>
<context>
    <name>errors</name>
    <message>
        <source>{path} is not a checkpoint: {reason}. Choose a folder that holds config.json and .safetensors files.</source>
        <translation>{path} 不是模型文件夹：{reason}。请选择含有 config.json 和 .safetensors 文件的文件夹。</translation>
    </message>
    <message>
        <source>{path} holds its weights as a pickle ({file}), which can run code when it is opened. Look for the same model with .safetensors files.</source>
        <translation>{path} 的权重是 pickle 格式（{file}），打开时可能会运行代码。请寻找同一模型的 .safetensors 版本。</translation>
    </message>
    <message>
        <source>{path} holds a GGUF file ({file}), made for llama.cpp. Look for the original checkpoint with config.json and .safetensors files.</source>
        <translation>{path} 里是为 llama.cpp 制作的 GGUF 文件（{file}）。请寻找带有 config.json 和 .safetensors 文件的原始模型。</translation>
    </message>
    <message>
        <source>{file} is damaged: {reason}. Download or copy the file again.</source>
        <translation>{file} 已损坏：{reason}。请重新下载或复制这个文件。</translation>
    </message>
    <message>
        <source>The checkpoint points outside its folder ({file}) and was not opened. Get it from a source you trust.</source>
        <translation>这个模型指向了自己文件夹之外的位置（{file}），没有打开。请从可信的来源获取。</translation>
    </message>
    <message>
        <source>{file} asks to run code ({key}), so the checkpoint was not opened. Look for a version without this entry.</source>
        <translation>{file} 要求运行代码（{key}），因此没有打开这个模型。请寻找不含这一项的版本。</translation>
    </message>
    <message>
        <source>This checkpoint was made smaller by another program ({method}), which this one does not compute. Choose the original: it is made smaller when it is loaded, where memory is short.</source>
        <translation>此检查点已由其他程序压缩（{method}），本程序无法计算。请选择原始检查点：内存不足时，加载过程会自动压缩。</translation>
    </message>
    <message>
        <source>{file} cannot be read: {reason}. Download or copy the file again.</source>
        <translation>无法读取 {file}：{reason}。请重新下载或复制这个文件。</translation>
    </message>
    <message>
        <source>The architecture {architecture} is not one this program can run. Choose a causal language model that transformers supports by itself.</source>
        <translation>本程序不能运行 {architecture} 架构。请选择 transformers 自带支持的因果语言模型。</translation>
    </message>
    <message>
        <source>The weights do not fit config.json: {reason}. Nothing was loaded; get the checkpoint again from its source.</source>
        <translation>权重与 config.json 不符：{reason}。什么都没有加载，请从来源重新获取这个模型。</translation>
    </message>
    <message>
        <source>{path} has no tokenizer. Copy tokenizer.json (or vocab.json and merges.txt) of this model into the folder.</source>
        <translation>{path} 缺少分词器。请把该模型的 tokenizer.json（或 vocab.json 和 merges.txt）放进这个文件夹。</translation>
    </message>
    <message>
        <source>{file} is refused: {reason}. A checkpoint from a good source does not need so much.</source>
        <translation>拒绝读取 {file}：{reason}。来源可靠的模型不需要这么多。</translation>
    </message>
    <message>
        <source>The chat template of this checkpoint failed: {reason}. Remove the template to use plain dialogue.</source>
        <translation>这个模型的对话模板出错：{reason}。去掉模板即可使用普通对话格式。</translation>
    </message>
    <message>
        <source>{path} was not moved to the trash: {reason}. Remove it with the system&apos;s file manager.</source>
        <translation>{path} 没有移到回收站：{reason}。请用系统的文件管理器删除。</translation>
    </message>
    <message>
        <source>{path} is not moved to the trash: the model in the box stays, and so does your home folder.</source>
        <translation>{path} 没有移到回收站：自带的模型和你的主文件夹都要保留。</translation>
    </message>
    <message>
        <source>{path} is loaded. Unload it first, then remove it.</source>
        <translation>{path} 已加载。请先卸载，再移除。</translation>
    </message>
    <message>
        <source>{path} is being downloaded. Wait until that has ended, or cancel it; then remove it.</source>
        <translation>{path} 正在下载。请等下载结束或取消下载，再移除。</translation>
    </message>
    <message>
        <source>The window is open with this profile ({path}). Add and remove models on its Models page, or close it first.</source>
        <translation>窗口正在使用这个配置（{path}）。请在窗口的“模型”页添加或移除模型，或先关闭窗口。</translation>
    </message>
    <message>
        <source>{path} is an adapter, which changes a model and is none by itself. Load the model it was made for, then attach the adapter to it.</source>
        <translation>{path} 是一个适配器，它用来改变模型，本身不是模型。请先加载它所对应的模型，再把适配器接上。</translation>
    </message>
    <message>
        <source>{path} cannot be attached: {reason}. Choose a folder with a plain LoRA adapter in adapter_config.json and adapter_model.safetensors.</source>
        <translation>无法接上 {path}：{reason}。请选择含有普通 LoRA 适配器（adapter_config.json 与 adapter_model.safetensors）的文件夹。</translation>
    </message>
    <message>
        <source>The adapter {adapter} does not fit {model}: {reason}. Load the model it was made for: {base}.</source>
        <translation>适配器 {adapter} 与 {model} 不匹配：{reason}。请加载它所对应的模型：{base}。</translation>
    </message>
    <message>
        <source>The adapter {adapter} changes a model, and none is loaded. Load the one it was made for: {base}.</source>
        <translation>适配器 {adapter} 用来改变模型，而现在没有加载模型。请加载它所对应的模型：{base}。</translation>
    </message>
    <message>
        <source>No model is loaded. Choose one from the model menu.</source>
        <translation>还没有加载模型。请从模型菜单中选择一个。</translation>
    </message>
    <message>
        <source>{device} ran out of memory. Choose a smaller model, a shorter length, or the CPU. What was written is kept.</source>
        <translation>{device} 内存不足。请换小一点的模型、缩短长度，或改用 CPU。已写出的内容都保留着。</translation>
    </message>
    <message>
        <source>{name} needs at least {needed} of memory, and there are {total}. Choose a smaller model.</source>
        <translation>{name} 至少需要 {needed} 内存，而这里只有 {total}。请选一个更小的模型。</translation>
    </message>
    <message>
        <source>This machine has no device {device}. Choose one of: {available}.</source>
        <translation>这台电脑没有设备 {device}。可选：{available}。</translation>
    </message>
    <message>
        <source>{device} cannot compute with {dtype} weights. Choose another precision, or the CPU.</source>
        <translation>{device} 无法使用 {dtype} 权重计算。请选择其他精度，或改用 CPU。</translation>
    </message>
    <message>
        <source>The model computed no valid probabilities (NaN). Its weights are damaged or need float32: load it in float32 or get the checkpoint again.</source>
        <translation>模型没有算出有效的概率（NaN）。权重可能已损坏，或需要 float32：请以 float32 加载，或重新获取这个模型。</translation>
    </message>
    <message>
        <source>The prompt is empty. Type some text first.</source>
        <translation>提示词是空的。请先输入一些文字。</translation>
    </message>
    <message>
        <source>The text has {tokens} tokens and the model can see {limit}. Shorten it or choose one with a longer context.</source>
        <translation>文本有 {tokens} 个词元，而模型只能看到 {limit} 个。请缩短文本，或换一个上下文更长的模型。</translation>
    </message>
    <message>
        <source>The conversation has {tokens} tokens and at most {limit} fit into the context. Pin what matters and leave out the oldest turns, or begin a new chat.</source>
        <translation>对话有 {tokens} 个词元，上下文最多容纳 {limit} 个。请把重要的消息置顶并略去最早的，或开始新对话。</translation>
    </message>
    <message>
        <source>The text has {tokens} tokens, and attention is shown for at most {limit}. Shorten it.</source>
        <translation>这段文字有 {tokens} 个词元，而注意力最多只显示 {limit} 个。请缩短它。</translation>
    </message>
    <message>
        <source>{model} computes no attention that could be shown. Choose a transformer, such as the model in the box.</source>
        <translation>{model} 不计算可以显示的注意力。请选择一个 Transformer 模型，例如自带的模型。</translation>
    </message>
    <message>
        <source>{name} is {value}; it must be {allowed}.</source>
        <translation>{name} 的值是 {value}，应为：{allowed}。</translation>
    </message>
    <message>
        <source>Give either the number of new tokens or the whole length, not both.</source>
        <translation>新词元数和总长度只能给出一个。</translation>
    </message>
    <message>
        <source>Cancelled.</source>
        <translation>已取消。</translation>
    </message>
    <message>
        <source>The engine stopped unexpectedly ({reason}). A fresh one is starting; what was written is kept.</source>
        <translation>引擎意外停止（{reason}）。正在重新启动，已写出的内容都保留着。</translation>
    </message>
    <message>
        <source>The engine stopped three times in five minutes ({reason}) and was not started again. Try the CPU or another model.</source>
        <translation>引擎在五分钟内停止了三次（{reason}），没有再启动。请试试 CPU 或其他模型。</translation>
    </message>
    <message>
        <source>The engine did not answer and was ended. A fresh one is starting; what was written is kept.</source>
        <translation>引擎没有响应，已被结束。正在重新启动，已写出的内容都保留着。</translation>
    </message>
    <message>
        <source>Something in the engine went wrong ({reason}). This is a mistake of the program; details are in {log}.</source>
        <translation>引擎内部出错（{reason}）。这是程序的错误，详情见 {log}。</translation>
    </message>
    <message>
        <source>The engine belongs to another version of the program (it speaks protocol {found}, this one {known}). Install chatdesk again.</source>
        <translation>引擎属于另一个版本的程序（它用协议 {found}，本程序用 {known}）。请重新安装 chatdesk。</translation>
    </message>
    <message>
        <source>{name} is a folder. Choose the text files in it.</source>
        <translation>{name} 是文件夹。请选择其中的文本文件。</translation>
    </message>
    <message>
        <source>{name} is not a text file. Save what it says as plain text and choose that.</source>
        <translation>{name} 不是文本文件。请将其内容另存为纯文本后再选择。</translation>
    </message>
    <message>
        <source>{name} is in none of UTF-8, UTF-16 and GB18030. Save it as UTF-8 and choose it again.</source>
        <translation>{name} 的编码不是 UTF-8、UTF-16 或 GB18030。请另存为 UTF-8 后重新选择。</translation>
    </message>
    <message>
        <source>{name} has {size} MB, and a file may have {most} MB. Choose a file with the part that matters.</source>
        <translation>{name} 有 {size} MB，而单个文件最多 {most} MB。请选择只含所需部分的文件。</translation>
    </message>
    <message>
        <source>{name} was not attached: the files of one message may have {most} million characters. Send it with the next one.</source>
        <translation>未附加 {name}：一条消息的附件总共最多 {most} 百万字符。请随下一条消息发送。</translation>
    </message>
    <message>
        <source>{name} was not attached: one message takes {most} files. Send it with the next one.</source>
        <translation>未附加 {name}：一条消息最多附加 {most} 个文件。请随下一条消息发送。</translation>
    </message>
    <message>
        <source>The prompt needs {mark} where the text is to stand.</source>
        <translation>提示词中文字应在的位置需要写上 {mark}。</translation>
    </message>
    <message>
        <source>Label {number} is empty. Give it a name and a wording.</source>
        <translation>第 {number} 个标签是空的。请给它名称和措辞。</translation>
    </message>
    <message>
        <source>There is nothing to choose from. Give at least two labels.</source>
        <translation>没有可选的标签。请至少给出两个。</translation>
    </message>
    <message>
        <source>Two labels are “{label}”. Give each its own name and wording.</source>
        <translation>有两个标签都是“{label}”。请给每个标签自己的名称和措辞。</translation>
    </message>
    <message>
        <source>{path} has {size} MB, and at most {most} MB are read at a time. Split it into several files.</source>
        <translation>{path} 有 {size} MB，一次最多读取 {most} MB。请把它分成几个文件。</translation>
    </message>
    <message>
        <source>{path} is not a text file. Save the table as CSV in UTF-8, or as JSON lines.</source>
        <translation>{path} 不是文本文件。请把表格存为 UTF-8 编码的 CSV，或存为 JSON 行。</translation>
    </message>
    <message>
        <source>{path} cannot be read from line {line} on: {reason}. Nothing was taken from it; mend that line.</source>
        <translation>{path} 从第 {line} 行起无法读取：{reason}。没有读入任何内容；请修正那一行。</translation>
    </message>
    <message>
        <source>There is no column “{column}”. Choose one of these: {columns}.</source>
        <translation>没有“{column}”这一列。请从这些列中选择：{columns}。</translation>
    </message>
    <message>
        <source>The disk with {path} is full. Free some space; what you typed is kept in the window until then.</source>
        <translation>{path} 所在的磁盘已满。请腾出一些空间；在那之前，你输入的内容会留在窗口里。</translation>
    </message>
    <message>
        <source>{path} cannot be written: {reason}. Check the folder&apos;s permissions, or choose another place.</source>
        <translation>无法写入 {path}：{reason}。请检查文件夹权限，或换一个位置。</translation>
    </message>
    <message>
        <source>{path} was written by a newer chatdesk (schema {found}, this one knows {known}). Install the newer program; the file was not touched.</source>
        <translation>{path} 由更新版本的 chatdesk 写入（结构 {found}，本程序只认识到 {known}）。请安装新版本；文件没有被改动。</translation>
    </message>
    <message>
        <source>{path} is damaged: {reason}. It was left as it is; restore a backup or start with a new one.</source>
        <translation>{path} 已损坏：{reason}。文件保持原样；请恢复备份，或重新开始。</translation>
    </message>
    <message>
        <source>chatdesk already runs with this profile ({path}). Its window was asked to come to the front.</source>
        <translation>chatdesk 已经在使用这个数据目录（{path}）。已请它的窗口到前面来。</translation>
    </message>
    <message>
        <source>There is no display to open a window on. Chat in the terminal instead: chatdesk chat.</source>
        <translation>没有可以打开窗口的显示器。可以在终端里对话：chatdesk chat。</translation>
    </message>
    <message>
        <source>Nothing was imported from {path}: {reason}. Choose an export of chatdesk, ChatGPT, Open WebUI, LM Studio or Jan, or export it again there.</source>
        <translation>没有从 {path} 导入任何内容：{reason}。请选择 chatdesk、ChatGPT、Open WebUI、LM Studio 或 Jan 的导出文件，或在那里重新导出。</translation>
    </message>
    <message>
        <source>Nothing was imported from {path}: it has {size} GB, and at most 1 GB is read at a time. Export fewer conversations at a time there.</source>
        <translation>没有从 {path} 导入任何内容：它有 {size} GB，而一次最多读取 1 GB。请在那里分批导出对话。</translation>
    </message>
    <message>
        <source>chatdesk is offline, so {host} was not asked. Turn Offline off in Settings (or unset HF_HUB_OFFLINE).</source>
        <translation>chatdesk 处于离线状态，没有询问 {host}。请在设置中关闭“离线”（或取消环境变量 HF_HUB_OFFLINE）。</translation>
    </message>
    <message>
        <source>{host} cannot be reached: {reason}. Check the connection and the proxy, then try again.</source>
        <translation>无法连接 {host}：{reason}。请检查网络和代理，然后重试。</translation>
    </message>
    <message>
        <source>The proxy {proxy} cannot be used. Name one that speaks HTTP: HTTPS_PROXY=http://HOST:PORT.</source>
        <translation>代理 {proxy} 无法使用。请指定支持 HTTP 的代理：HTTPS_PROXY=http://主机:端口。</translation>
    </message>
    <message>
        <source>{host} has no model {name}, or it is private. Check the name; a private one needs an access token.</source>
        <translation>{host} 上没有模型 {name}，或者它是私有的。请检查名称；私有模型需要访问令牌。</translation>
    </message>
    <message>
        <source>{name} has no revision {revision}. Choose a branch, a tag or a commit that it has, such as main.</source>
        <translation>{name} 没有版本 {revision}。请选择它已有的分支、标签或提交，例如 main。</translation>
    </message>
    <message>
        <source>{name} is given only to those who accept its terms. Accept them at {url} and keep an access token here.</source>
        <translation>{name} 只提供给接受其条款的人。请在 {url} 接受条款，并在这里保存访问令牌。</translation>
    </message>
    <message>
        <source>{host} does not accept the access token. Make a new one there and keep that.</source>
        <translation>{host} 不接受这个访问令牌。请在那里新建一个并保存。</translation>
    </message>
    <message>
        <source>{host} was asked too often and wants a pause of {seconds} seconds. Try again after that.</source>
        <translation>对 {host} 的请求过于频繁，需要等待 {seconds} 秒。请稍后再试。</translation>
    </message>
    <message>
        <source>{host} has a fault of its own (status {status}). Try again later; what has come is kept.</source>
        <translation>{host} 自身出了问题（状态 {status}）。请稍后再试；已下载的内容会保留。</translation>
    </message>
    <message>
        <source>{host} does not answer as a model hub does: {reason}. If this network asks you to sign in, do so in a browser; else check the address of the hub.</source>
        <translation>{host} 的应答不像模型库：{reason}。如果当前网络需要登录，请先在浏览器中登录；否则请检查模型库的地址。</translation>
    </message>
    <message>
        <source>{file} of {name} came with wrong bytes twice and was not kept. Try again later, or another hub.</source>
        <translation>{name} 的文件 {file} 两次收到错误的数据，没有保留。请稍后再试，或换一个模型库。</translation>
    </message>
    <message>
        <source>{name} needs {needed} more, and the disk with {path} has {free}. Free some space and go on; what has come is kept.</source>
        <translation>{name} 还需要 {needed}，而 {path} 所在的磁盘只剩 {free}。请腾出空间后继续；已下载的内容会保留。</translation>
    </message>
    <message>
        <source>Another program is fetching {file} of {name} just now. Wait until it has ended, then go on.</source>
        <translation>另一个程序正在下载 {name} 的 {file}。请等它结束后再继续。</translation>
    </message>
    <message>
        <source>{path} cannot be written: {reason}. Check its permissions, or name another folder in HF_HOME.</source>
        <translation>无法写入 {path}：{reason}。请检查权限，或用 HF_HOME 指定另一个文件夹。</translation>
    </message>
    <message>
        <source>The system has no keyring that keeps a token ({reason}). Give it in HF_TOKEN instead.</source>
        <translation>系统没有可以保存令牌的密钥环（{reason}）。请改用环境变量 HF_TOKEN。</translation>
    </message>
    <message>
        <source>{path}: {reason}.</source>
        <translation>{path}：{reason}。</translation>
    </message>
    <message>
        <source>{path} holds no text to work on. Choose files with text in them.</source>
        <translation>{path} 里没有可用的文本。请选择有文字内容的文件。</translation>
    </message>
    <message>
        <source>Of {path}, {documents} documents with {bytes} bytes are left to train on, and at least {least} bytes are needed. Add more text, or leave out a step of the cleaning.</source>
        <translation>{path} 只剩下 {documents} 个文档、{bytes} 字节可供训练，至少需要 {least} 字节。请添加更多文本，或少用一个清理步骤。</translation>
    </message>
    <message>
        <source>{path} holds no replies, and the stage {stage} learns from replies alone. Choose text with dialogues, or let it learn from everything.</source>
        <translation>{path} 中没有回复，而阶段 {stage} 只从回复中学习。请选择包含对话的文本，或让它从全部内容中学习。</translation>
    </message>
    <message>
        <source>{path} cannot be read: {reason}.</source>
        <translation>无法读取 {path}：{reason}。</translation>
    </message>
    <message>
        <source>{path} is being trained just now by another process. Wait for it, or stop it first.</source>
        <translation>{path} 正由另一个进程训练。请等它结束，或先让它停下。</translation>
    </message>
    <message>
        <source>The run in {path} could not be saved: {reason}. What it saved last is whole; mend that and go on from there.</source>
        <translation>{path} 中的训练无法保存：{reason}。上一次保存的内容完好；解决这个问题后可以从那里继续。</translation>
    </message>
    <message>
        <source>There was not enough memory for the training. Choose a smaller batch, shorter sequences or a smaller model; what the run in {path} saved last is whole.</source>
        <translation>内存不足，无法训练。请选择更小的批次、更短的序列或更小的模型；{path} 中上一次保存的内容完好。</translation>
    </message>
    <message>
        <source>{path} is damaged: {reason}. Put back a copy, or remove it: the run then goes on by its recipe.toml.</source>
        <translation>{path} 已损坏：{reason}。请放回副本，或删除它：训练会按其 recipe.toml 继续。</translation>
    </message>
    <message>
        <source>{path} is damaged: {reason}. Put back a copy or an after-….safetensors from beside it, or begin a new run.</source>
        <translation>{path} 已损坏：{reason}。请放回副本，或用旁边的 after-….safetensors（某一阶段结束时的状态）代替，或开始新的训练。</translation>
    </message>
    <message>
        <source>In step {step} of {stage} the loss is no number any more. Choose a lower learning rate or the precision fp32 in a new run; what the run in {path} saved last is whole.</source>
        <translation>在 {stage} 的第 {step} 步，损失不再是数值。请在新的训练中选择更低的学习率或 fp32 精度；{path} 中上次保存的内容完好。</translation>
    </message>
    <message>
        <source>Something in the training went wrong ({reason}). This is a mistake of the program; what the run in {path} saved last is whole.</source>
        <translation>训练中出了问题（{reason}）。这是程序的错误；{path} 中上一次保存的内容完好。</translation>
    </message>
    <message>
        <source>The checkpoint {base} has changed since the run in {path} began with it. Put its files back as they were, or begin a new run in another folder.</source>
        <translation>自 {path} 中的训练开始以来，检查点 {base} 已被更改。请恢复其原来的文件，或在另一个文件夹中重新开始训练。</translation>
    </message>
    <message>
        <source>There was not enough memory to measure {model}. Close other programs, or choose a smaller model.</source>
        <translation>内存不足，无法评测 {model}。请关闭其他程序，或选择更小的模型。</translation>
    </message>
    <message>
        <source>{path} holds no training run. Choose a folder with run.json or recipe.toml in it.</source>
        <translation>{path} 中没有训练。请选择含有 run.json 或 recipe.toml 的文件夹。</translation>
    </message>
    <message>
        <source>The run {name} holds no text out to be judged by. Begin one with more documents, or with held_out.</source>
        <translation>训练 {name} 没有留出用于评估的文本。请用更多文档开始新的训练，或设置 held_out。</translation>
    </message>
    <message>
        <source>The lab works on {name} just now. Pause it first, or wait.</source>
        <translation>实验室正在处理 {name}。请先暂停它，或稍候。</translation>
    </message>
    <message>
        <source>{path} was damaged, so the defaults are used. The old file is kept as {aside}.</source>
        <translation>{path} 已损坏，因此使用默认值。旧文件保留为 {aside}。</translation>
    </message>
    <message>
        <source>{path} does not exist. Check the name.</source>
        <translation>{path} 不存在。请检查名称。</translation>
    </message>
    <message>
        <source>It does not fit on the GPU: the CPU computes some or all of it.</source>
        <translation>显存放不下：部分或全部由 CPU 计算。</translation>
    </message>
    <message>
        <source>It takes more memory than is free and may be very slow.</source>
        <translation>所需内存超过空闲内存，可能会非常慢。</translation>
    </message>
    <message>
        <source>To fit into memory, its context is shorter than it could be.</source>
        <translation>为了放进内存，上下文比它本来能用的短。</translation>
    </message>
    <message>
        <source>It names no end token, so a reply ends only at its length.</source>
        <translation>它没有指明结束词元，回复只会在达到长度时结束。</translation>
    </message>
    <message>
        <source>It names an end token that it does not have; that one is unused.</source>
        <translation>它指明了一个自己没有的结束词元；该词元不会使用。</translation>
    </message>
    <message>
        <source>It brings no sampling values (generation_config.json); those of chatdesk are used.</source>
        <translation>它没有附带采样参数（generation_config.json）；使用 chatdesk 的默认值。</translation>
    </message>
    <message>
        <source>Some sampling values that it brings are out of range and were left out.</source>
        <translation>它附带的一些采样参数超出范围，已忽略。</translation>
    </message>
    <message>
        <source>It has no chat template; messages are written as plain dialogue unless you choose another form.</source>
        <translation>它没有对话模板；除非另选格式，消息按普通对话书写。</translation>
    </message>
    <message>
        <source>The draft model is not used: it cannot be loaded, or it has another tokenizer.</source>
        <translation>未使用草稿模型：无法加载，或其分词器不同。</translation>
    </message>
    <message>
        <source>It reads the whole conversation again for each reply.</source>
        <translation>每次回复它都会重新读取整个对话。</translation>
    </message>
    <message>
        <source>It sees the last part of a long text only, so a conversation that changes is read again as a whole.</source>
        <translation>它只能看到长文本的末尾部分，因此对话一旦改动就会整体重新读取。</translation>
    </message>
    <message>
        <source>Try again</source>
        <translation>再试一次</translation>
    </message>
    <message>
        <source>Choose a model</source>
        <translation>选择模型</translation>
    </message>
    <message>
        <source>Load it smaller</source>
        <translation>用更少内存加载</translation>
    </message>
    <message>
        <source>Use the CPU</source>
        <translation>改用 CPU</translation>
    </message>
    <message>
        <source>Start the engine again</source>
        <translation>重新启动引擎</translation>
    </message>
    <message>
        <source>New chat</source>
        <translation>新对话</translation>
    </message>
    <message>
        <source>Leave out the oldest</source>
        <translation>略去最早的</translation>
    </message>
</context>
<context>
    <name>figures</name>
    <message>
        <source>first token {milliseconds} ms</source>
        <translation>首个词元 {milliseconds} 毫秒</translation>
    </message>
    <message>
        <source>first token {seconds} s</source>
        <translation>首个词元 {seconds} 秒</translation>
    </message>
    <message>
        <source>{speed} tok/s</source>
        <translation>{speed} 词元/秒</translation>
    </message>
</context>
<context>
    <name>lab</name>
    <message>
        <source>The width must be a multiple of the number of heads.</source>
        <translation>宽度必须是头数的倍数。</translation>
    </message>
    <message>
        <source>A Llama&apos;s width for each head must be even.</source>
        <translation>Llama 每个头的宽度必须是偶数。</translation>
    </message>
    <message>
        <source>Tiny</source>
        <translation>微型</translation>
    </message>
    <message>
        <source>Small</source>
        <translation>小型</translation>
    </message>
    <message>
        <source>Medium</source>
        <translation>中型</translation>
    </message>
    <message>
        <source>Large</source>
        <translation>大型</translation>
    </message>
    <message>
        <source>Repair the encoding</source>
        <translation>修复编码</translation>
    </message>
    <message>
        <source>Letters that were read in a wrong encoding (Ã¼ for ü) become right again.</source>
        <translation>以错误编码读入的字母（如把 ü 读成 Ã¼）会恢复正确。</translation>
    </message>
    <message>
        <source>Make characters uniform</source>
        <translation>统一字符</translation>
    </message>
    <message>
        <source>One form for each letter (Unicode NFC), for line ends and for blanks.</source>
        <translation>字母（Unicode NFC）、换行和空白各用一种形式。</translation>
    </message>
    <message>
        <source>Leave out boilerplate</source>
        <translation>略去套话</translation>
    </message>
    <message>
        <source>Lines that many documents share, such as menus, and Project Gutenberg&apos;s licence.</source>
        <translation>许多文档共有的行，如菜单，以及古登堡计划的许可文字。</translation>
    </message>
    <message>
        <source>Leave out scraps</source>
        <translation>略去碎片</translation>
    </message>
    <message>
        <source>Documents of less than 40 characters teach nothing.</source>
        <translation>不足 40 个字符的文档学不到东西。</translation>
    </message>
    <message>
        <source>Leave out duplicates</source>
        <translation>略去重复</translation>
    </message>
    <message>
        <source>The same text read again is learned by heart; of each only the first stays.</source>
        <translation>重复读到的文本会被死记；每份只保留第一份。</translation>
    </message>
    <message>
        <source>Leave out near duplicates</source>
        <translation>略去近似重复</translation>
    </message>
    <message>
        <source>Documents that share four fifths of their words with an earlier one (MinHash).</source>
        <translation>与先前文档有五分之四的词相同的文档（MinHash）。</translation>
    </message>
    <message>
        <source>Mask personal data</source>
        <translation>遮盖个人信息</translation>
    </message>
    <message>
        <source>E-mail addresses and phone numbers become marks, so that no reply can repeat them.</source>
        <translation>电子邮件地址和电话号码换成标记，回复就不会重复它们。</translation>
    </message>
    <message>
        <source>Leave out stop words</source>
        <translation>略去停用词</translation>
    </message>
    <message>
        <source>“The”, “and”… A language model has to learn them: leave this off, but to try it.</source>
        <translation>“的”“和”之类的词。语言模型必须学会它们：除非想试试，否则不要打开。</translation>
    </message>
    <message>
        <source>{count} s</source>
        <translation>{count} 秒</translation>
    </message>
    <message>
        <source>{count} min</source>
        <translation>{count} 分钟</translation>
    </message>
    <message>
        <source>{count} h</source>
        <translation>{count} 小时</translation>
    </message>
    <message>
        <source>{hours} h {minutes} min</source>
        <translation>{hours} 小时 {minutes} 分钟</translation>
    </message>
    <message>
        <source>the files are read</source>
        <translation>读取文件</translation>
    </message>
    <message>
        <source>the text is cleaned</source>
        <translation>清理文本</translation>
    </message>
    <message>
        <source>not begun</source>
        <translation>尚未开始</translation>
    </message>
    <message>
        <source>running</source>
        <translation>进行中</translation>
    </message>
    <message>
        <source>paused</source>
        <translation>已暂停</translation>
    </message>
    <message>
        <source>finished</source>
        <translation>已完成</translation>
    </message>
    <message>
        <source>broken off</source>
        <translation>已中断</translation>
    </message>
    <message>
        <source>the checkpoint is loaded</source>
        <translation>正在加载检查点</translation>
    </message>
    <message>
        <source>the tokenizer is trained</source>
        <translation>正在训练分词器</translation>
    </message>
</context>
<context>
    <name>models</name>
    <message>
        <source>8 bit</source>
        <translation>8 位</translation>
    </message>
    <message>
        <source>4 bit</source>
        <translation>4 位</translation>
    </message>
    <message>
        <source>chat template</source>
        <translation>有对话模板</translation>
    </message>
    <message>
        <source>base model</source>
        <translation>基础模型</translation>
    </message>
    <message>
        <source>context {count}</source>
        <translation>上下文 {count}</translation>
    </message>
    <message>
        <source>{on_gpu} of {layers} layers on the GPU, the others on the CPU, in {precision}</source>
        <translation>{layers} 层中有 {on_gpu} 层在 GPU 上，其余在 CPU 上，{precision}</translation>
    </message>
    <message>
        <source>does not fit into the free memory, in {precision}</source>
        <translation>可用内存放不下，{precision}</translation>
    </message>
    <message>
        <source>fits on the CPU in {precision}</source>
        <translation>CPU 放得下，{precision}</translation>
    </message>
    <message>
        <source>fits on the GPU in {precision}</source>
        <translation>GPU 放得下，{precision}</translation>
    </message>
    <message>
        <source>{needed} of {free}</source>
        <translation>{needed}，可用 {free}</translation>
    </message>
    <message>
        <source>Slow: on the CPU, not on the GPU.</source>
        <translation>慢：在 CPU 上运行，而不是 GPU。</translation>
    </message>
    <message>
        <source>Slow: some layers are on the CPU.</source>
        <translation>慢：有些层在 CPU 上。</translation>
    </message>
    <message>
        <source>Very slow: it takes more than the free memory, and the disk stands in.</source>
        <translation>很慢：超出可用内存，要用磁盘顶替。</translation>
    </message>
    <message>
        <source>Short context: the model&apos;s own does not fit.</source>
        <translation>上下文较短：模型本身的长度放不下。</translation>
    </message>
    <message>
        <source>slow</source>
        <translation>慢</translation>
    </message>
    <message>
        <source>very slow</source>
        <translation>很慢</translation>
    </message>
    <message>
        <source>short context</source>
        <translation>上下文较短</translation>
    </message>
    <message>
        <source>Looking whether it fits…</source>
        <translation>正在看是否放得下…</translation>
    </message>
    <message>
        <source>does not fit: {needed} of {total}</source>
        <translation>放不下：需要 {needed}，共有 {total}</translation>
    </message>
</context>
<context>
    <name>options</name>
    <message>
        <source>Temperature</source>
        <translation>温度</translation>
    </message>
    <message>
        <source>Higher is more surprising; 0 always takes the likeliest word.</source>
        <translation>越高越出人意料；0 总取最可能的词。</translation>
    </message>
    <message>
        <source>Length</source>
        <translation>长度</translation>
    </message>
    <message>
        <source>Most new tokens in one reply.</source>
        <translation>一次回复最多生成多少词元。</translation>
    </message>
    <message>
        <source>Top-p</source>
        <translation>Top-p</translation>
    </message>
    <message>
        <source>Only the likeliest words that make up this share.</source>
        <translation>只从累计到这个比例的词里选。</translation>
    </message>
    <message>
        <source>Top-k</source>
        <translation>Top-k</translation>
    </message>
    <message>
        <source>Only this many likeliest words.</source>
        <translation>只从最可能的若干个词里选。</translation>
    </message>
    <message>
        <source>Min-p</source>
        <translation>Min-p</translation>
    </message>
    <message>
        <source>Only words at least this likely, next to the likeliest.</source>
        <translation>概率不到最可能词这个比例的不选。</translation>
    </message>
    <message>
        <source>Repetition</source>
        <translation>重复惩罚</translation>
    </message>
    <message>
        <source>Above 1 repeats less.</source>
        <translation>大于 1 更少重复。</translation>
    </message>
    <message>
        <source>Seed</source>
        <translation>随机种子</translation>
    </message>
    <message>
        <source>The same seed gives the same reply. Empty is random.</source>
        <translation>种子相同，回复就相同。留空为随机。</translation>
    </message>
    <message>
        <source>Drafts</source>
        <translation>草稿</translation>
    </message>
    <message>
        <source>Replies written side by side, to choose from.</source>
        <translation>并排写出几个回复，供你选择。</translation>
    </message>
    <message>
        <source>When the context is full</source>
        <translation>上下文已满时</translation>
    </message>
    <message>
        <source>Pinned messages are never left out.</source>
        <translation>置顶的消息不会被略去。</translation>
    </message>
    <message>
        <source>System prompt</source>
        <translation>系统提示词</translation>
    </message>
    <message>
        <source>What the model is told before the conversation.</source>
        <translation>对话开始前告诉模型的话。</translation>
    </message>
    <message>
        <source>Texts that end a reply, one a line; \n is a line&apos;s end.</source>
        <translation>遇到这些文字就结束回复，每行一个；\n 表示换行。</translation>
    </message>
    <message>
        <source>Most new tokens at once.</source>
        <translation>一次最多生成的新词元数。</translation>
    </message>
    <message>
        <source>Alternatives</source>
        <translation>备选</translation>
    </message>
    <message>
        <source>How many continuations stand beside the text, to choose from.</source>
        <translation>在文字旁边列出多少种续写供选择。</translation>
    </message>
    <message>
        <source>The same seed gives the same words. Empty is random.</source>
        <translation>相同的种子得到相同的文字。留空为随机。</translation>
    </message>
    <message>
        <source>Memory</source>
        <translation>记忆</translation>
    </message>
    <message>
        <source>Stands before everything and is never left out.</source>
        <translation>放在最前面，永远不会被省略。</translation>
    </message>
    <message>
        <source>World</source>
        <translation>世界设定</translation>
    </message>
    <message>
        <source>Told when a name is near the cursor, one a line: Ada, keeper: She is old.</source>
        <translation>光标附近出现其中的名字时才告诉模型，每行一条：阿达，守塔人：她年纪很大。</translation>
    </message>
    <message>
        <source>Author&apos;s note</source>
        <translation>作者按语</translation>
    </message>
    <message>
        <source>Stands near the end, where it counts most.</source>
        <translation>放在接近结尾处，影响最大。</translation>
    </message>
    <message>
        <source>Depth of the note</source>
        <translation>按语的位置</translation>
    </message>
    <message>
        <source>How many paragraphs from the end it stands.</source>
        <translation>距离结尾多少个段落。</translation>
    </message>
    <message>
        <source>Stop at</source>
        <translation>停止于</translation>
    </message>
    <message>
        <source>Texts that end the writing, one a line.</source>
        <translation>遇到这些文字就停止，每行一个。</translation>
    </message>
    <message>
        <source>Banned words</source>
        <translation>禁用词</translation>
    </message>
    <message>
        <source>Words that are never written, one a line.</source>
        <translation>永远不会写出的词，每行一个。</translation>
    </message>
    <message>
        <source>Likelier or rarer words</source>
        <translation>更常用或更少用的词</translation>
    </message>
    <message>
        <source>One a line with a number from -100 to 100: river = 2.5</source>
        <translation>每行一个，附上 -100 到 100 之间的数：river = 2.5</translation>
    </message>
    <message>
        <source>Language</source>
        <translation>语言</translation>
    </message>
    <message>
        <source>The language of the window.</source>
        <translation>界面使用的语言。</translation>
    </message>
    <message>
        <source>Appearance</source>
        <translation>外观</translation>
    </message>
    <message>
        <source>Light, dark, or as the system says.</source>
        <translation>浅色、深色，或跟随系统。</translation>
    </message>
    <message>
        <source>Enter sends</source>
        <translation>回车发送</translation>
    </message>
    <message>
        <source>Off: Enter makes a new line and Ctrl+Enter sends.</source>
        <translation>关闭后，回车换行，Ctrl+回车发送。</translation>
    </message>
    <message>
        <source>Text size</source>
        <translation>文字大小</translation>
    </message>
    <message>
        <source>In percent. Ctrl + and Ctrl − change it anywhere.</source>
        <translation>百分比。随时可用 Ctrl + 和 Ctrl − 调整。</translation>
    </message>
    <message>
        <source>Unload the model after</source>
        <translation>闲置多久后卸载模型</translation>
    </message>
    <message>
        <source>Minutes without use; the next message loads it again.</source>
        <translation>以分钟计；发送下一条消息时会重新加载。</translation>
    </message>
    <message>
        <source>Memory for earlier branches</source>
        <translation>用于先前分支的内存</translation>
    </message>
    <message>
        <source>In megabytes. A branch you come back to need not be read again.</source>
        <translation>以 MB 为单位。回到先前的分支时，无需重新读取。</translation>
    </message>
    <message>
        <source>Guess ahead</source>
        <translation>提前猜测</translation>
    </message>
    <message>
        <source>What was said before is read several words at once. Replies stay the same.</source>
        <translation>出现过的内容一次读取多个词，回复不变。</translation>
    </message>
    <message>
        <source>Offline</source>
        <translation>离线</translation>
    </message>
    <message>
        <source>On: no connection is ever made, not even to search for models.</source>
        <translation>打开后不建立任何连接，也不搜索模型。</translation>
    </message>
    <message>
        <source>Model hub</source>
        <translation>模型库</translation>
    </message>
    <message>
        <source>Address of a mirror. Empty: HF_ENDPOINT, else https://huggingface.co.</source>
        <translation>镜像的地址。留空则用 HF_ENDPOINT，否则用 https://huggingface.co。</translation>
    </message>
    <message>
        <source>Layers</source>
        <translation>层数</translation>
    </message>
    <message>
        <source>Blocks on top of one another: more of them reason in more steps.</source>
        <translation>叠在一起的块：越多，思考的步骤越多。</translation>
    </message>
    <message>
        <source>Heads</source>
        <translation>注意力头</translation>
    </message>
    <message>
        <source>How many places of the text a block looks at at once.</source>
        <translation>一个块同时查看文本中多少处。</translation>
    </message>
    <message>
        <source>Width</source>
        <translation>宽度</translation>
    </message>
    <message>
        <source>Numbers that stand for a token; a multiple of the heads.</source>
        <translation>表示一个词元的数字个数；须是头数的倍数。</translation>
    </message>
    <message>
        <source>Context</source>
        <translation>上下文</translation>
    </message>
    <message>
        <source>Most tokens the model sees at once; a token is about four letters.</source>
        <translation>模型一次最多看到的词元；一个词元约四个字母。</translation>
    </message>
    <message>
        <source>Vocabulary</source>
        <translation>词表</translation>
    </message>
    <message>
        <source>Different tokens, learned from the text; small ones suit small texts.</source>
        <translation>从文本中学到的不同词元；小文本适合小词表。</translation>
    </message>
    <message>
        <source>Times the text is read</source>
        <translation>文本读取次数</translation>
    </message>
    <message>
        <source>Up to four teach nearly as much as new text; many are learned by heart.</source>
        <translation>四次以内几乎与新文本一样有效；次数太多则会死记。</translation>
    </message>
</context>
<context>
    <name>reasons</name>
    <message>
        <source>config.json is missing</source>
        <translation>缺少 config.json</translation>
    </message>
    <message>
        <source>neither model.safetensors nor model.safetensors.index.json is there</source>
        <translation>既没有 model.safetensors，也没有 model.safetensors.index.json</translation>
    </message>
    <message>
        <source>it is a single file, and a checkpoint is a folder</source>
        <translation>这是单个文件，而检查点是一个文件夹</translation>
    </message>
    <message>
        <source>it holds neither config.json nor .safetensors files</source>
        <translation>里面既没有 config.json，也没有 .safetensors 文件</translation>
    </message>
    <message>
        <source>the index names it and it is not there</source>
        <translation>索引里提到它，但它不在</translation>
    </message>
    <message>
        <source>it holds no tensors</source>
        <translation>里面没有张量</translation>
    </message>
    <message>
        <source>it holds no files</source>
        <translation>里面没有文件</translation>
    </message>
    <message>
        <source>it has no map of tensors to files</source>
        <translation>里面没有张量与文件的对应表</translation>
    </message>
    <message>
        <source>it ends before its header does</source>
        <translation>文件在文件头结束之前就中断了</translation>
    </message>
    <message>
        <source>its header is not readable</source>
        <translation>文件头无法读取</translation>
    </message>
    <message>
        <source>its header is not valid JSON</source>
        <translation>文件头不是有效的 JSON</translation>
    </message>
    <message>
        <source>it is not valid JSON</source>
        <translation>不是有效的 JSON</translation>
    </message>
    <message>
        <source>it holds no JSON object</source>
        <translation>里面没有 JSON 对象</translation>
    </message>
    <message>
        <source>it is no text in UTF-8</source>
        <translation>不是 UTF-8 文本</translation>
    </message>
    <message>
        <source>it does not say its model_type</source>
        <translation>没有写明 model_type</translation>
    </message>
    <message>
        <source>its architectures are no list of names</source>
        <translation>architectures 不是名称列表</translation>
    </message>
    <message>
        <source>its chat template is no text</source>
        <translation>对话模板不是文本</translation>
    </message>
    <message>
        <source>its chat template is longer than 256 KB</source>
        <translation>对话模板超过 256 KB</translation>
    </message>
    <message>
        <source>it is no tokenizer in JSON</source>
        <translation>不是 JSON 格式的分词器</translation>
    </message>
    <message>
        <source>it does not answer</source>
        <translation>没有回应</translation>
    </message>
    <message>
        <source>it sends too slowly</source>
        <translation>发送得太慢</translation>
    </message>
    <message>
        <source>it sends far too much</source>
        <translation>发来的内容太多</translation>
    </message>
    <message>
        <source>it shows a web page</source>
        <translation>返回的是网页</translation>
    </message>
    <message>
        <source>it answers with something else</source>
        <translation>返回了别的内容</translation>
    </message>
    <message>
        <source>it redirects without end</source>
        <translation>没完没了地重定向</translation>
    </message>
    <message>
        <source>it redirects to a place that is not safe</source>
        <translation>重定向到不安全的地址</translation>
    </message>
    <message>
        <source>its answer cannot be read</source>
        <translation>回应无法读取</translation>
    </message>
    <message>
        <source>it names no commit</source>
        <translation>没有给出提交</translation>
    </message>
    <message>
        <source>the connection was cut</source>
        <translation>连接中断</translation>
    </message>
    <message>
        <source>a file ends too early</source>
        <translation>文件提前结束</translation>
    </message>
    <message>
        <source>a file has another length than its list says</source>
        <translation>文件长度与列表不符</translation>
    </message>
    <message>
        <source>the file has changed</source>
        <translation>文件已改变</translation>
    </message>
    <message>
        <source>it offers another file than its list names</source>
        <translation>提供的文件与列表不符</translation>
    </message>
    <message>
        <source>it sends another part of a file than was asked for</source>
        <translation>发来的不是所要的那部分</translation>
    </message>
</context>
<context>
    <name>saving</name>
    <message>
        <source>the folder does not take it</source>
        <translation>该文件夹无法写入</translation>
    </message>
</context>
<context>
    <name>shortcuts</name>
    <message>
        <source>Send the message</source>
        <translation>发送消息</translation>
    </message>
    <message>
        <source>New line in the message</source>
        <translation>在消息里换行</translation>
    </message>
    <message>
        <source>Attach files…</source>
        <translation>附加文件…</translation>
    </message>
    <message>
        <source>Send, whatever Enter does</source>
        <translation>发送（不论回车的设置）</translation>
    </message>
    <message>
        <source>Stop the reply</source>
        <translation>停止回复</translation>
    </message>
    <message>
        <source>Write the last reply anew</source>
        <translation>重新生成最后的回复</translation>
    </message>
    <message>
        <source>Continue the last reply</source>
        <translation>继续上一条回复</translation>
    </message>
    <message>
        <source>Write several replies side by side</source>
        <translation>并排写几个回复</translation>
    </message>
    <message>
        <source>Edit the last message (empty field)</source>
        <translation>编辑上一条消息（输入框为空时）</translation>
    </message>
    <message>
        <source>Version before</source>
        <translation>上一个版本</translation>
    </message>
    <message>
        <source>Version after</source>
        <translation>下一个版本</translation>
    </message>
    <message>
        <source>Branches…</source>
        <translation>分支…</translation>
    </message>
    <message>
        <source>Show the exact prompt…</source>
        <translation>显示确切的提示词…</translation>
    </message>
    <message>
        <source>Search</source>
        <translation>搜索</translation>
    </message>
    <message>
        <source>All commands</source>
        <translation>全部命令</translation>
    </message>
    <message>
        <source>Find in this chat</source>
        <translation>在本对话中查找</translation>
    </message>
    <message>
        <source>Next match</source>
        <translation>下一处</translation>
    </message>
    <message>
        <source>Match before</source>
        <translation>上一处</translation>
    </message>
    <message>
        <source>New chat</source>
        <translation>新对话</translation>
    </message>
    <message>
        <source>Rename</source>
        <translation>重命名</translation>
    </message>
    <message>
        <source>Delete</source>
        <translation>删除</translation>
    </message>
    <message>
        <source>Delete all messages of this chat</source>
        <translation>删除此对话的所有消息</translation>
    </message>
    <message>
        <source>Undo (deletion, edit, branch)</source>
        <translation>撤销（删除、编辑、分支）</translation>
    </message>
    <message>
        <source>Pin or unpin this chat</source>
        <translation>置顶或取消置顶此对话</translation>
    </message>
    <message>
        <source>Export this chat as Markdown…</source>
        <translation>将此对话导出为 Markdown…</translation>
    </message>
    <message>
        <source>Export this chat as HTML…</source>
        <translation>将此对话导出为 HTML…</translation>
    </message>
    <message>
        <source>Export this chat as JSON…</source>
        <translation>将此对话导出为 JSON…</translation>
    </message>
    <message>
        <source>Export this chat as PDF…</source>
        <translation>将此对话导出为 PDF…</translation>
    </message>
    <message>
        <source>Export everything…</source>
        <translation>导出全部…</translation>
    </message>
    <message>
        <source>Import…</source>
        <translation>导入…</translation>
    </message>
    <message>
        <source>Trash…</source>
        <translation>回收站…</translation>
    </message>
    <message>
        <source>Backups…</source>
        <translation>备份…</translation>
    </message>
    <message>
        <source>Choose a model</source>
        <translation>选择模型</translation>
    </message>
    <message>
        <source>Show or hide the chats</source>
        <translation>显示或隐藏对话列表</translation>
    </message>
    <message>
        <source>Show or hide the settings of this chat</source>
        <translation>显示或隐藏本对话的设置</translation>
    </message>
    <message>
        <source>Chat</source>
        <translation>对话</translation>
    </message>
    <message>
        <source>Models</source>
        <translation>模型</translation>
    </message>
    <message>
        <source>Write</source>
        <translation>写作</translation>
    </message>
    <message>
        <source>Rework the selection (writing)</source>
        <translation>改写所选内容（写作）</translation>
    </message>
    <message>
        <source>Keep a version (writing)</source>
        <translation>保存一个版本（写作）</translation>
    </message>
    <message>
        <source>History… (writing)</source>
        <translation>历史记录…（写作）</translation>
    </message>
    <message>
        <source>Nothing but the text (writing)</source>
        <translation>只显示文字（写作）</translation>
    </message>
    <message>
        <source>Look inside the text (writing)</source>
        <translation>透视这段文字（写作）</translation>
    </message>
    <message>
        <source>Inspect</source>
        <translation>透视</translation>
    </message>
    <message>
        <source>Classify</source>
        <translation>分类</translation>
    </message>
    <message>
        <source>Lab</source>
        <translation>实验室</translation>
    </message>
    <message>
        <source>Settings</source>
        <translation>设置</translation>
    </message>
    <message>
        <source>Larger text</source>
        <translation>放大文字</translation>
    </message>
    <message>
        <source>Smaller text</source>
        <translation>缩小文字</translation>
    </message>
    <message>
        <source>Text in its normal size</source>
        <translation>恢复文字大小</translation>
    </message>
    <message>
        <source>All keys</source>
        <translation>全部快捷键</translation>
    </message>
    <message>
        <source>Quit</source>
        <translation>退出</translation>
    </message>
</context>
<context>
    <name>transfer</name>
    <message>
        <source>it cannot be opened</source>
        <translation>无法打开</translation>
    </message>
    <message>
        <source>it is not JSON, or only a part of it is there</source>
        <translation>不是 JSON，或文件不完整</translation>
    </message>
    <message>
        <source>its bytes are not text</source>
        <translation>内容不是文本</translation>
    </message>
    <message>
        <source>it is nested too deeply</source>
        <translation>嵌套过深</translation>
    </message>
    <message>
        <source>it is no export that this program knows</source>
        <translation>不是本程序认识的导出文件</translation>
    </message>
    <message>
        <source>it was written by a newer chatdesk</source>
        <translation>由更新版本的 chatdesk 写成</translation>
    </message>
    <message>
        <source>there is no conversation in it</source>
        <translation>其中没有对话</translation>
    </message>
    <message>
        <source>the zip file is damaged or encrypted</source>
        <translation>压缩文件已损坏或已加密</translation>
    </message>
    <message>
        <source>it unpacks to more than it should</source>
        <translation>解压后过大</translation>
    </message>
    <message>
        <source>there is not enough memory to read it</source>
        <translation>内存不足，无法读取</translation>
    </message>
    <message>
        <source>it is larger than 1 GB</source>
        <translation>大于 1 GB</translation>
    </message>
    <message>
        <source>some bytes are not UTF-8 and were replaced by �</source>
        <translation>有些字节不是 UTF-8，已用 � 代替</translation>
    </message>
    <message>
        <source>an entry is not a conversation</source>
        <translation>有一项不是对话</translation>
    </message>
    <message>
        <source>it has no message with text</source>
        <translation>没有含文字的消息</translation>
    </message>
    <message>
        <source>it stands in the file more than once</source>
        <translation>在文件中重复出现</translation>
    </message>
    <message>
        <source>ids of its messages belong to another conversation here</source>
        <translation>其消息的编号属于这里的另一个对话</translation>
    </message>
    <message>
        <source>a message has the wrong form</source>
        <translation>有一条消息格式不对</translation>
    </message>
    <message>
        <source>a message is from nobody this program knows</source>
        <translation>有一条消息的发送者无法识别</translation>
    </message>
    <message>
        <source>a message is too long</source>
        <translation>有一条消息过长</translation>
    </message>
    <message>
        <source>messages from and to tools are not imported</source>
        <translation>不导入与工具往来的消息</translation>
    </message>
    <message>
        <source>thoughts of the model are not imported</source>
        <translation>不导入模型的思考过程</translation>
    </message>
    <message>
        <source>only the first system prompt is kept</source>
        <translation>只保留第一个系统提示词</translation>
    </message>
    <message>
        <source>a message stands there more than once; the first was kept</source>
        <translation>有一条消息重复出现，保留了第一条</translation>
    </message>
    <message>
        <source>a message answers one that is missing; it was put at the beginning</source>
        <translation>有一条消息所回复的消息不存在，已放到开头</translation>
    </message>
    <message>
        <source>messages answer one another in a circle; it was cut</source>
        <translation>消息之间循环回复，已断开</translation>
    </message>
    <message>
        <source>it goes on below a message in the trash; take that back first</source>
        <translation>它接在回收站里的一条消息之后，请先恢复那条消息</translation>
    </message>
    <message>
        <source>a message of it is in the trash; restore it there</source>
        <translation>其中一条消息在回收站里；请在那里恢复</translation>
    </message>
    <message>
        <source>it is in the trash; restore it there</source>
        <translation>它在回收站里；请在那里恢复</translation>
    </message>
    <message>
        <source>an attachment cannot be read</source>
        <translation>有一个附件无法读取</translation>
    </message>
    <message>
        <source>its settings cannot be read</source>
        <translation>设置无法读取</translation>
    </message>
    <message>
        <source>where a reply comes from cannot be read</source>
        <translation>回复的来源信息无法读取</translation>
    </message>
</context>
</TS>
